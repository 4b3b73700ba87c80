"""Google's Drive client for Python, as its guide uses it, against the Drive at
sys.argv[1]; sys.argv[2] is the API's discovery document. Prints what it found."""

import io
import json
import sys

import google.oauth2.credentials
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaIoBaseDownload, MediaIoBaseUpload

UNIT = 256 * 1024
root, discovery = sys.argv[1:]
with open(discovery) as f:
    document = json.load(f)
document["rootUrl"] = root + "/"
credentials = google.oauth2.credentials.Credentials("token")
files = build_from_document(document, credentials=credentials).files()
found = {}


def media(content, resumable):
    return MediaIoBaseUpload(io.BytesIO(content), "text/plain", chunksize=UNIT, resumable=resumable)


def create(name, content, resumable):
    body = {"name": name, "parents": ["appDataFolder"]}
    return files.create(body=body, media_body=media(content, resumable), fields="id,size")


found["folder"] = files.get(fileId="appDataFolder", fields="id,mimeType").execute()["mimeType"]
small = create("small", b"hello", False).execute()

big = bytes(range(256)) * (UNIT // 256) * 3 + b"end"
request = create("big", big, True)
steps, response = [], None
while response is None:
    try:
        status, response = request.next_chunk()
    except HttpError as error:  # the next one asks how far it is
        steps.append(error.resp.status)
        continue
    if status:
        steps.append(status.resumable_progress)
found["steps"] = steps
found["size"] = response["size"]

downloaded = io.BytesIO()
download = MediaIoBaseDownload(downloaded, files.get_media(fileId=response["id"]), chunksize=UNIT)
done = False
while not done:
    _, done = download.next_chunk()
found["same"] = downloaded.getvalue() == big

files.update(fileId=small["id"], body={"name": "renamed"}, media_body=media(b"changed", False)).execute()

names, request = [], files.list(spaces="appDataFolder", orderBy="name", pageSize=1, fields="nextPageToken, files(name)")
while request is not None:
    page = request.execute()
    names += [file["name"] for file in page["files"]]
    request = files.list_next(request, page)
found["names"] = names

files.delete(fileId=response["id"]).execute()
try:
    files.get(fileId=response["id"]).execute()
except HttpError as error:
    found["error"] = [error.resp.status, json.loads(error.content)["error"]["errors"][0]["reason"]]
print(json.dumps(found, sort_keys=True))
