#!/usr/bin/env bash
# Auth.js keeps the first refresh token of a user and drops all later ones.
#
# With a database adapter, Auth.js writes what Google sent into the account's row at the user's first
# sign-in. At later ones it makes a session and leaves that row as it is, also when the user went
# through the consent screen again and Google sent a new refresh token. The kept one may have ended long
# ago: by a withdrawn consent, after six months without use, as the oldest of more than a hundred.
# An import of such a table therefore brings dead tokens of users who are active. An application on Auth.js
# updates the row in its signIn event.
#
# Seen with @auth/core 0.41.3. Needs Node.js and npm.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.mjs <<'END'
import {generateKeyPairSync, sign} from 'node:crypto';
import {Auth, customFetch} from '@auth/core';
import Google from '@auth/core/providers/google';

const origin = 'https://example.com/auth';
const clientId = '1-a.apps.googleusercontent.com';
const {privateKey, publicKey} = generateKeyPairSync('rsa', {modulusLength: 2048});
const jwk = {...publicKey.export({format: 'jwk'}), kid: 'k', alg: 'RS256', use: 'sig'};
const part = value => Buffer.from(JSON.stringify(value)).toString('base64url');

// google answers what Google's endpoints do. refreshToken is what the next code brings.
let refreshToken;
async function google(request) {
  const url = new URL(request.url ?? request);
  const json = value => new Response(JSON.stringify(value), {headers: {'Content-Type': 'application/json'}});
  switch (url.pathname) {
    case '/.well-known/openid-configuration':
      return json({
        issuer: 'https://accounts.google.com',
        authorization_endpoint: 'https://accounts.google.com/o/oauth2/v2/auth',
        token_endpoint: 'https://oauth2.googleapis.com/token',
        userinfo_endpoint: 'https://openidconnect.googleapis.com/v1/userinfo',
        jwks_uri: 'https://www.googleapis.com/oauth2/v3/certs',
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
        code_challenge_methods_supported: ['plain', 'S256'],
      });
    case '/oauth2/v3/certs':
      return json({keys: [jwk]});
    case '/token': {
      const now = Math.floor(Date.now() / 1000);
      const signed = part({alg: 'RS256', kid: 'k', typ: 'JWT'}) + '.' + part({
        iss: 'https://accounts.google.com', aud: clientId, azp: clientId, sub: '108365719284610937465',
        email: 'jane.doe@gmail.com', email_verified: true, name: 'Jane Doe', iat: now, exp: now + 3600,
      });
      return json({
        access_token: 'ya29.a0', expires_in: 3599, token_type: 'Bearer', scope: 'openid',
        refresh_token: refreshToken,
        id_token: signed + '.' + sign('sha256', Buffer.from(signed), privateKey).toString('base64url'),
      });
    }
  }
  throw new Error('asked for ' + url);
}

// The adapter is a database in memory.
const users = [], accounts = [], sessions = [];
const adapter = {
  createUser: async user => { users.push(user); return user; },
  getUser: async id => users.find(u => u.id === id) ?? null,
  getUserByEmail: async email => users.find(u => u.email === email) ?? null,
  getUserByAccount: async ({provider, providerAccountId}) => {
    const account = accounts.find(a => a.provider === provider && a.providerAccountId === providerAccountId);
    return account ? users.find(u => u.id === account.userId) : null;
  },
  updateUser: async user => Object.assign(users.find(u => u.id === user.id), user),
  linkAccount: async account => { accounts.push(account); return account; },
  createSession: async session => { sessions.push(session); return session; },
  getSessionAndUser: async () => null,
  updateSession: async session => session,
  deleteSession: async () => {},
};
const config = {
  adapter, basePath: '/auth', secret: 'a secret of the test, long enough', trustHost: true,
  logger: {error: e => { throw e; }, warn() {}},
  providers: [Google({
    clientId, clientSecret: 'secret', [customFetch]: google,
    authorization: {params: {access_type: 'offline', prompt: 'consent', scope: 'openid email profile'}},
  })],
};

// signIn is a browser that signs in from the beginning.
async function signIn(token) {
  refreshToken = token;
  const jar = new Map();
  const visit = async (path, form) => {
    const response = await Auth(new Request(origin + path, {
      method: form ? 'POST' : 'GET', body: form && new URLSearchParams(form),
      headers: {Cookie: [...jar].map(c => c.join('=')).join('; ')},
    }), config);
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      jar.set(name, value);
    }
    return response;
  };
  const {csrfToken} = await (await visit('/csrf')).json();
  const asked = new URL((await visit('/signin/google', {csrfToken})).headers.get('Location'));
  const state = asked.searchParams.get('state');
  const callback = new URLSearchParams({code: '4/0AbCd', ...state && {state}});
  const end = await visit('/callback/google?' + callback);
  if (end.headers.get('Location')?.includes('error')) throw new Error(end.headers.get('Location'));
}

for (const token of ['1//first', '1//second', '1//third']) {
  await signIn(token);
  console.log(`Google sent ${token}; sessions ${sessions.length}, accounts ${accounts.length}, kept ${accounts[0].refresh_token}`);
}
END
cat >expected <<'END'
Google sent 1//first; sessions 1, accounts 1, kept 1//first
Google sent 1//second; sessions 2, accounts 1, kept 1//first
Google sent 1//third; sessions 3, accounts 1, kept 1//first
END
npm install --no-audit --no-fund --ignore-scripts @auth/core@0.41.3 >install.log 2>&1 || { cat install.log; exit 1; }
node main.mjs >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
