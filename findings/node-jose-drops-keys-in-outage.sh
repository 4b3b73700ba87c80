#!/usr/bin/env bash
# jose throws working keys away ten minutes after it fetched them, whatever the provider said.
#
# createRemoteJWKSet keeps a key set for ten minutes (cacheMaxAge); it does not read Cache-Control, by which
# Google's keys are good for about six hours. If the next fetch fails, it does not go on with the keys
# that it has: jwtVerify refuses each token, also those that it verified a moment before, after another
# fetch. The error of a 503 is a JOSEError with the code ERR_JOSE_GENERIC: code that answers 401 for a
# JOSEError signs users out during an outage of one URL.
# A backend sets cacheMaxAge to hours (an unknown key is fetched all the same), and answers 503 for
# errors that do not speak of the token.
#
# Seen with jose 6.2.18. Needs Node.js and npm.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.mjs <<'END'
import {SignJWT, createRemoteJWKSet, customFetch, errors, exportJWK, generateKeyPair, jwtVerify} from 'jose';

// The clock of this process is set by hand.
const start = Date.parse('2026-01-01T10:00:00Z');
let now = start;
Date.now = () => now;

const {publicKey, privateKey} = await generateKeyPair('RS256');
const keys = JSON.stringify({keys: [{...await exportJWK(publicKey), kid: 'k', alg: 'RS256', use: 'sig'}]});
let down = false, fetches = 0;
const fetchKeys = async () => {
  fetches++;
  if (down) return new Response('try again', {status: 503});
  return new Response(keys, {headers: {'Content-Type': 'application/json', 'Cache-Control': 'public, max-age=22000'}});
};

const url = new URL('https://www.googleapis.com/oauth2/v3/certs');
const token = await new SignJWT({sub: '108365719284610937465'}).setProtectedHeader({alg: 'RS256', kid: 'k'})
  .setIssuer('https://accounts.google.com').setAudience('a').setIssuedAt(start / 1000).setExpirationTime(start / 1000 + 3600).sign(privateKey);

async function verify(when, keySet) {
  try {
    await jwtVerify(token, keySet, {audience: 'a', currentDate: new Date(now)});
    console.log(`${when}: verified, ${fetches} fetches`);
  } catch (e) {
    console.log(`${when}: ${e.code}, JOSEError: ${e instanceof errors.JOSEError}, ${fetches} fetches`);
  }
}

const keySet = createRemoteJWKSet(url, {[customFetch]: fetchKeys});
await verify('at first', keySet);
now = start + 9 * 60e3;
await verify('after 9 minutes', keySet);
now = start + 11 * 60e3;
await verify('after 11 minutes', keySet);
down = true;
now = start + 20 * 60e3;
await verify('after 20 minutes, keys answer 503', keySet);
now = start + 22 * 60e3;
await verify('after 22 minutes, keys answer 503', keySet);
await verify('again', keySet);

now = start;
down = false;
fetches = 0;
const hours = createRemoteJWKSet(url, {[customFetch]: fetchKeys, cacheMaxAge: 6 * 3600e3});
await verify('six hours, at first', hours);
down = true;
now = start + 22 * 60e3;
await verify('six hours, after 22 minutes, keys answer 503', hours);
END
cat >expected <<'END'
at first: verified, 1 fetches
after 9 minutes: verified, 1 fetches
after 11 minutes: verified, 2 fetches
after 20 minutes, keys answer 503: verified, 2 fetches
after 22 minutes, keys answer 503: ERR_JOSE_GENERIC, JOSEError: true, 3 fetches
again: ERR_JOSE_GENERIC, JOSEError: true, 4 fetches
six hours, at first: verified, 1 fetches
six hours, after 22 minutes, keys answer 503: verified, 1 fetches
END
npm install --no-audit --no-fund --ignore-scripts jose@6.2.18 >install.log 2>&1 || { cat install.log; exit 1; }
node main.mjs >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
