"""Signs in with oauth2client, and keeps the credentials in a Storage file."""
import os

from oauth2client.client import OAuth2WebServerFlow
from oauth2client.file import Storage

flow = OAuth2WebServerFlow(
    os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"], "openid https://www.googleapis.com/auth/drive.appdata",
    redirect_uri="", token_uri=os.environ["FAKE"] + "/token")
Storage(os.environ["OUT"]).put(flow.step2_exchange(os.environ["CODE"]))
