"""Signs in with Authlib's client for Django; see guest_test.go for what it is
asked."""
import django
from django.conf import settings

from guest import APPS, DJANGO, ENV, authorize, result

settings.configure(**DJANGO, INSTALLED_APPS=APPS)
django.setup()

from authlib.integrations.django_client import OAuth, token_update  # noqa: E402
from django.contrib.sessions.backends.signed_cookies import SessionStore  # noqa: E402
from django.test import RequestFactory  # noqa: E402

oauth = OAuth()
oauth.register(
    "google", client_id=ENV["CLIENT_ID"], client_secret=ENV["CLIENT_SECRET"],
    server_metadata_url="https://accounts.google.com/.well-known/openid-configuration",
    client_kwargs={"scope": "openid email profile"}, authorize_params={"access_type": "offline"})
session = SessionStore()


def request(path):
    r = RequestFactory().get(path)
    r.session = session
    return r


redirect = oauth.google.authorize_redirect(request("/login"), ENV["CALLBACK"])
token = oauth.google.authorize_access_token(request(authorize(redirect["Location"])))
user = token["userinfo"]  # the claims of the ID token, checked
info = oauth.google.userinfo(token=token)
if info["sub"] != user["sub"]:
    raise SystemExit("user info differs")
# A token that has expired is refreshed at its next use.
refreshed = []
token_update.connect(lambda **update: refreshed.append(update["token"]["access_token"]), weak=False)
oauth.google.userinfo(token=dict(token, expires_at=1))
result(user["sub"], user["email"], refreshed != [] and refreshed != [token["access_token"]])
