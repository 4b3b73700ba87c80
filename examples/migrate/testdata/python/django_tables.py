"""Keeps grants in the tables of django-allauth and social-auth, in SQLite."""
import os

import django
import requests
from django.conf import settings

settings.configure(
    SECRET_KEY="invented",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["OUT"]}},
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sites", "django.contrib.sessions",
        "allauth", "allauth.account", "allauth.socialaccount", "allauth.socialaccount.providers.google",
        "social_django",
    ],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    SOCIALACCOUNT_STORE_TOKENS=True,
    SITE_ID=1,
    ALLOWED_HOSTS=["testserver"],
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"],
    ROOT_URLCONF="allauth.urls",
)
django.setup()

from allauth.socialaccount.models import SocialApp  # noqa: E402
from allauth.socialaccount.providers.google.views import GoogleOAuth2Adapter  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import RequestFactory  # noqa: E402
from social_core.backends.google import GoogleOAuth2  # noqa: E402
from social_django.models import UserSocialAuth  # noqa: E402
from social_django.strategy import DjangoStrategy  # noqa: E402
from social_django.models import DjangoStorage  # noqa: E402

call_command("migrate", verbosity=0)


def redeem(code):
    """Returns Google's answers about tokens and user."""
    tokens = requests.post(os.environ["FAKE"] + "/token", {
        "grant_type": "authorization_code", "code": code, "redirect_uri": "",
        "client_id": os.environ["CLIENT_ID"], "client_secret": os.environ["CLIENT_SECRET"]})
    tokens.raise_for_status()
    user = requests.get(
        os.environ["FAKE"] + "/v1/userinfo", headers={"Authorization": "Bearer " + tokens.json()["access_token"]})
    user.raise_for_status()
    return tokens.json(), user.json()


request = RequestFactory().get("/")
request.session = SessionStore()
app = SocialApp.objects.create(
    provider="google", name="google", client_id=os.environ["CLIENT_ID"], secret=os.environ["CLIENT_SECRET"])
app.sites.add(settings.SITE_ID)
tokens, user = redeem(os.environ["CODE"])
adapter = GoogleOAuth2Adapter(request)
login = adapter.get_provider().sociallogin_from_response(request, dict(user, id=user["sub"]))
login.user.username = "jane"
login.token = adapter.parse_token(tokens)
login.token.app = app
login.save(request)

# By default the uid is the e-mail address; with USE_UNIQUE_USER_ID it is the sub.
for name, code, unique in (("john", "CODE2", False), ("mary", "CODE3", True)):
    settings.SOCIAL_AUTH_GOOGLE_OAUTH2_USE_UNIQUE_USER_ID = unique
    tokens, user = redeem(os.environ[code])
    backend = GoogleOAuth2(DjangoStrategy(DjangoStorage, request))
    response = dict(tokens, **user)
    details = backend.get_user_details(response)
    uid = backend.get_user_id(details, response)
    social = UserSocialAuth.create_social_auth(User.objects.create(username=name), uid, backend.name)
    social.set_extra_data(backend.extra_data(social.user, uid, response, details))
