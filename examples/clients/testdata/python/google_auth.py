"""Signs in with google-auth and google-auth-oauthlib; see guest_test.go for
what it is asked."""
import json
import os
import sys
from urllib.parse import parse_qs, urlsplit

import google.auth.exceptions
import google_auth_oauthlib.flow
from google.auth.transport.requests import Request
from google.oauth2 import credentials, id_token

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # the fake speaks plain HTTP
FAKE = os.environ["FAKE"]
CONFIG = json.loads(os.environ["CLIENT_JSON"])
IDENTITY = ["openid", "https://www.googleapis.com/auth/userinfo.email"]


def authorize(url):
    """Sends the user to url, and returns where they come back."""
    print("authorize", url, flush=True)
    return sys.stdin.readline().strip()


def new_flow(scopes, **options):
    return google_auth_oauthlib.flow.Flow.from_client_config(CONFIG, scopes, **options)


# A browser redirect with PKCE.
web = new_flow(IDENTITY, redirect_uri=os.environ["CALLBACK"], autogenerate_code_verifier=True)
url, state = web.authorization_url(access_type="offline")
answer = parse_qs(urlsplit(authorize(url)).query)
assert answer["state"] == [state]
web.fetch_token(code=answer["code"][0])
claims = id_token.verify_token(
    web.credentials.id_token, Request(), audience=web.client_config["client_id"],
    certs_url=FAKE + "/oauth2/v1/certs")
assert claims["iss"] == "https://accounts.google.com"

# An app's code.
app = new_flow(None, redirect_uri="")
granted = app.fetch_token(code=os.environ["APP_CODE"])


def refresh():
    kept = credentials.Credentials(
        None, refresh_token=granted["refresh_token"], token_uri=CONFIG["web"]["token_uri"],
        client_id=CONFIG["web"]["client_id"], client_secret=CONFIG["web"]["client_secret"])
    kept.refresh(Request())
    return kept.token


renewed = refresh()
revoked = Request()(
    FAKE + "/revoke", method="POST", body="token=" + renewed,
    headers={"Content-Type": "application/x-www-form-urlencoded"})
assert revoked.status == 200
try:
    refresh()
    ended = "still good"
except google.auth.exceptions.RefreshError as error:
    ended = json.loads(error.args[1])["error"]

print("result", json.dumps({
    "subject": claims["sub"],
    "email": claims["email"],
    "scopes": list(granted["scope"]),
    "refreshed": renewed != granted["access_token"],
    "ended": ended,
}))
