// Signs in with openid-client; see guest_test.go for what it is asked.
import './globals.mjs';
import * as client from 'openid-client';
import { authorize, env, errorCode, result } from './guest.mjs';

const config = await client.discovery(new URL(env.FAKE), env.CLIENT_ID, env.CLIENT_SECRET, undefined, {
  execute: [client.allowInsecureRequests],
});

// A browser redirect with PKCE, state and nonce.
const verifier = client.randomPKCECodeVerifier();
const state = client.randomState();
const nonce = client.randomNonce();
const answer = await authorize(client.buildAuthorizationUrl(config, {
  redirect_uri: env.CALLBACK,
  scope: 'openid email profile',
  access_type: 'offline',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
}));
const tokens = await client.authorizationCodeGrant(config, new URL(`${env.CALLBACK}?${answer}`), {
  pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true,
});
const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
if (info.email !== tokens.claims().email) throw new Error('user info differs');

// An app's code, for which the library has no flow of its own.
const granted = await client.genericGrantRequest(config, 'authorization_code', { code: env.APP_CODE, redirect_uri: '' });
const renewed = await client.refreshTokenGrant(config, granted.refresh_token);
await client.tokenRevocation(config, granted.refresh_token);
const ended = await client.refreshTokenGrant(config, granted.refresh_token)
  .then(() => 'still good', (e) => errorCode(e.error ?? e));

result({
  subject: tokens.claims().sub,
  email: tokens.claims().email,
  scopes: granted.scope.split(' '),
  refreshed: renewed.access_token !== granted.access_token,
  ended,
});
