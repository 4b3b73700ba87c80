#!/usr/bin/env bash
# arctic's time of expiry moves on each time that it is read.
#
# OAuth2Tokens.accessTokenExpiresAt returns a Date, which looks like a property of the token. It is the
# time of the call plus the expires_in of the response: the object does not know when it was made. Code
# that keeps the object in memory and asks it whether the access token has ended never hears that it has,
# never refreshes, and gets 401 from Google after an hour. Code that saves the Date later than at once,
# as after a slow step or in a queue, saves a time that is too late by as much.
# A backend reads the Date once, right after the response, and keeps that.
#
# Seen with arctic 3.7.0. Needs Node.js and npm.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.mjs <<'END'
import {Google} from 'arctic';

// The clock of this process is set by hand.
let now = Date.parse('2026-01-01T10:00:00Z');
Date.now = () => now;

// Google's token endpoint.
globalThis.fetch = async () => Response.json({
  access_token: 'ya29.a0', expires_in: 3599, token_type: 'Bearer', scope: 'openid', refresh_token: '1//0a',
});

const google = new Google('1-a.apps.googleusercontent.com', 'secret', 'https://example.com/cb');
const tokens = await google.validateAuthorizationCode('4/0AbCd', 'verifier-verifier-verifier-verifier-verifier');
for (const hours of [0, 1, 2, 24]) {
  now = Date.parse('2026-01-01T10:00:00Z') + hours * 3600e3;
  const end = tokens.accessTokenExpiresAt();
  console.log(`${hours} h after the sign-in: ends ${end.toISOString()}, ended: ${end.getTime() <= now}`);
}
END
cat >expected <<'END'
0 h after the sign-in: ends 2026-01-01T10:59:59.000Z, ended: false
1 h after the sign-in: ends 2026-01-01T11:59:59.000Z, ended: false
2 h after the sign-in: ends 2026-01-01T12:59:59.000Z, ended: false
24 h after the sign-in: ends 2026-01-02T10:59:59.000Z, ended: false
END
npm install --no-audit --no-fund --ignore-scripts arctic@3.7.0 >install.log 2>&1 || { cat install.log; exit 1; }
node main.mjs >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
