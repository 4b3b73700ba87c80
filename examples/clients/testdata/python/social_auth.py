"""Signs in with python-social-auth in Django, by the backend BACKEND; see
guest_test.go for what it is asked."""
import django
from django.conf import settings

from guest import APPS, CALLBACK, DJANGO, ENV, authorize, browser, result

NAME = CALLBACK.path.split("/")[-2]
SETTING = "SOCIAL_AUTH_" + NAME.upper().replace("-", "_")

settings.configure(
    **DJANGO,
    INSTALLED_APPS=APPS + ["social_django"],
    AUTHENTICATION_BACKENDS=[ENV["BACKEND"]],
    ROOT_URLCONF="__main__",
    LOGIN_REDIRECT_URL="/signed-in",
    SITE_ID=1,
    **{
        SETTING + "_KEY": ENV["CLIENT_ID"],
        SETTING + "_SECRET": ENV["CLIENT_SECRET"],
        SETTING + "_USE_UNIQUE_USER_ID": True,
        SETTING + "_AUTH_EXTRA_ARGUMENTS": {"access_type": "offline"},
    },
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.urls import include, path  # noqa: E402
from social_django.models import UserSocialAuth  # noqa: E402
from social_django.utils import load_strategy  # noqa: E402

urlpatterns = [path("", include("social_django.urls", namespace="social"))]
call_command("migrate", verbosity=0)
client = browser()
answer = client.post(f"/login/{NAME}/")
back = client.get(authorize(answer["Location"]))
if back.status_code != 302 or back["Location"] != "/signed-in":
    raise SystemExit(f"callback: {back.status_code} {back.content.decode()}")
user = UserSocialAuth.objects.get(user_id=client.session["_auth_user_id"])
before = user.extra_data["access_token"]
user.refresh_token(load_strategy())
result(user.uid, user.user.email, user.extra_data["access_token"] != before)
