#!/usr/bin/env bash
# Python's oauthlib throws a sign-in away because Google answers with the long names of its scopes.
#
# A client asks for "email" and "profile"; Google's answer lists them as .../auth/userinfo.email and
# .../auth/userinfo.profile, which are the same. oauthlib, and with it requests-oauthlib, Flask-Dance
# and the flow of google-auth-oauthlib, compares the strings and raises a Warning as an exception, after
# the one-time code has been spent. The tokens are an attribute of that exception, and only there.
# Setting OAUTHLIB_RELAX_TOKEN_SCOPE turns the check off for the whole process. A backend in any
# language compares scopes only after bringing both sides to the long names.
#
# Seen with python3-oauthlib 3.2.2-1 of Debian 12; needs apt-get and Python 3.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

apt-get -o APT::Sandbox::User=root download python3-oauthlib=3.2.2-1 >install.log 2>&1 || { cat install.log; exit 1; }
for package in *.deb; do dpkg -x "$package" root; done
export PYTHONPATH=$dir/root/usr/lib/python3/dist-packages PYTHONDONTWRITEBYTECODE=1

cat >main.py <<'END'
import json, os
import oauthlib
from oauthlib.oauth2 import WebApplicationClient

asked = ["openid", "email", "profile"]
answer = json.dumps({
    "access_token": "ya29.a0", "refresh_token": "1//0a", "expires_in": 3599, "token_type": "Bearer",
    "scope": "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile",
})
print("oauthlib", oauthlib.__version__)
client = WebApplicationClient("1-a.apps.googleusercontent.com", scope=asked)
try:
    client.parse_request_body_response(answer, scope=asked)
except Warning as e:
    print("raised:", type(e).__name__)
    print("the client has tokens:", bool(client.token or client.refresh_token))
    print("the exception has them:", e.token["refresh_token"] == "1//0a")
os.environ["OAUTHLIB_RELAX_TOKEN_SCOPE"] = "1"
client.parse_request_body_response(answer, scope=asked)
print("relaxed: the client has tokens:", client.refresh_token == "1//0a")
END
cat >expected <<'END'
oauthlib 3.2.2
raised: Warning
the client has tokens: False
the exception has them: True
relaxed: the client has tokens: True
END
python3 main.py >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
