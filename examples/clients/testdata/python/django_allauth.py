"""Signs in with django-allauth; see guest_test.go for what it is asked."""
import django
from django.conf import settings

from guest import APPS, DJANGO, ENV, authorize, browser, result

settings.configure(
    **DJANGO,
    INSTALLED_APPS=APPS + [
        "allauth", "allauth.account", "allauth.socialaccount", "allauth.socialaccount.providers.google"],
    AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
    ROOT_URLCONF="allauth.urls",
    SITE_ID=1,
    LOGIN_REDIRECT_URL="/signed-in",
    ACCOUNT_EMAIL_VERIFICATION="none",
    SOCIALACCOUNT_STORE_TOKENS=True,
    SOCIALACCOUNT_PROVIDERS={"google": {
        "SCOPE": ["profile", "email"], "AUTH_PARAMS": {"access_type": "offline"}}},
)
django.setup()

from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken  # noqa: E402
from django.core.management import call_command  # noqa: E402

call_command("migrate", verbosity=0)
app = SocialApp.objects.create(
    provider="google", name="google", client_id=ENV["CLIENT_ID"], secret=ENV["CLIENT_SECRET"])
app.sites.add(settings.SITE_ID)
client = browser()
answer = client.post("/google/login/")
back = client.get(authorize(answer["Location"]))
if back.status_code != 302 or back["Location"] != "/signed-in":
    raise SystemExit(f"callback: {back.status_code} {back.content.decode()}")
account = SocialAccount.objects.get(user_id=client.session["_auth_user_id"])
if not SocialToken.objects.get(account=account).token_secret:
    raise SystemExit("no refresh token is kept")
result(account.uid, account.user.email, False)
