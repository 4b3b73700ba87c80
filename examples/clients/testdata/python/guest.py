"""What the guests have in common: the conversation with guest_test.go."""
import json
import os
import sys
from urllib.parse import urlsplit

ENV = os.environ
CALLBACK = urlsplit(ENV["CALLBACK"])


def authorize(url):
    """Sends the user to url, and returns where they come back: a path and query."""
    print("authorize", url, flush=True)
    back = urlsplit(sys.stdin.readline().strip())
    return f"{back.path}?{back.query}"


def result(subject, email, refreshed):
    print("result", json.dumps({"subject": subject, "email": email, "refreshed": refreshed}))


# For Django, whose test client is the browser.
DJANGO = dict(
    SECRET_KEY="invented",
    ALLOWED_HOSTS=[CALLBACK.hostname],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[{
        "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }],
)
APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sites", "django.contrib.sessions",
    "django.contrib.messages",
]


def browser():
    """Returns Django's test client, for the host and port of the callback."""
    from django.test import Client
    return Client(HTTP_HOST=CALLBACK.netloc)
