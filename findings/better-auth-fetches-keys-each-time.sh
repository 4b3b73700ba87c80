#!/usr/bin/env bash
# better-auth fetches Google's keys at every sign-in with an ID token, and calls an outage a bad token.
#
# An app that has Google's ID token posts it to signInSocial. better-auth then fetches
# www.googleapis.com/oauth2/v3/certs each time, whatever Cache-Control said of the last answer (about six
# hours at Google), so each sign-in waits for one request more and fails when that fails. It then answers
# 401 "Invalid token", as for a forged one: an app that drops its session at a 401 signs its users out
# during an outage.
# A backend keeps the keys for the time that they came with, serves the last ones while they cannot be
# fetched, and tells the two failures apart (503).
#
# Seen with better-auth 1.7.25. Needs Node.js and npm.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.mjs <<'END'
import {generateKeyPairSync, sign} from 'node:crypto';

const clientId = '1-a.apps.googleusercontent.com';
const {privateKey, publicKey} = generateKeyPairSync('rsa', {modulusLength: 2048});
const jwk = {...publicKey.export({format: 'jwk'}), kid: 'k', alg: 'RS256', use: 'sig'};
const part = value => Buffer.from(JSON.stringify(value)).toString('base64url');

// Google's key endpoint, in place of the network.
let fetches = 0, down = false;
globalThis.fetch = async request => {
  const address = String(request.url ?? request);
  if (address !== 'https://www.googleapis.com/oauth2/v3/certs') throw new Error('asked for ' + address);
  fetches++;
  if (down) return new Response('', {status: 503});
  return new Response(JSON.stringify({keys: [jwk]}), {headers: {
    'Content-Type': 'application/json; charset=UTF-8',
    'Cache-Control': 'public, max-age=23474, must-revalidate, no-transform',
  }});
};

const {betterAuth} = await import('better-auth');
const {memoryAdapter} = await import('better-auth/adapters/memory');
const auth = betterAuth({
  baseURL: 'https://example.com', secret: 'a secret of the test, which is long enough', telemetry: {enabled: false},
  database: memoryAdapter({user: [], account: [], session: [], verification: []}),
  socialProviders: {google: {clientId, clientSecret: 'secret'}},
  logger: {disabled: true},
});

// signIn returns the address of the user, or the error.
async function signIn() {
  const now = Math.floor(Date.now() / 1000);
  const signed = part({alg: 'RS256', kid: 'k', typ: 'JWT'}) + '.' + part({
    iss: 'https://accounts.google.com', aud: clientId, azp: clientId, sub: '108365719284610937465',
    email: 'jane.doe@gmail.com', email_verified: true, name: 'Jane Doe', iat: now, exp: now + 3600,
  });
  const token = signed + '.' + sign('sha256', Buffer.from(signed), privateKey).toString('base64url');
  return auth.api.signInSocial({body: {provider: 'google', idToken: {token}}})
    .then(response => response.user.email, error => `${error.statusCode} ${error.message}`);
}

for (let i = 1; i <= 3; i++) console.log(`sign-in ${i}: ${await signIn()}, fetches of the keys: ${fetches}`);
down = true;
console.log(`keys cannot be fetched: ${await signIn()}`);
END
cat >expected <<'END'
sign-in 1: jane.doe@gmail.com, fetches of the keys: 1
sign-in 2: jane.doe@gmail.com, fetches of the keys: 2
sign-in 3: jane.doe@gmail.com, fetches of the keys: 3
keys cannot be fetched: 401 Invalid token
END
npm install --no-audit --no-fund --ignore-scripts better-auth@1.7.25 >install.log 2>&1 || { cat install.log; exit 1; }
node main.mjs >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
