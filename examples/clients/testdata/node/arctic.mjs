// Signs in with arctic; see guest_test.go for what it is asked. It checks no
// signature.
import './globals.mjs';
import './proxy.mjs';
import { Google, decodeIdToken, generateCodeVerifier, generateState } from 'arctic';
import { authorize, env, result } from './guest.mjs';

const google = new Google(env.CLIENT_ID, env.CLIENT_SECRET, env.CALLBACK);
const state = generateState();
const verifier = generateCodeVerifier();
const url = google.createAuthorizationURL(state, verifier, ['openid', 'email', 'profile']);
url.searchParams.set('access_type', 'offline');
const answer = await authorize(url);
if (answer.get('state') !== state) throw new Error('state');
const tokens = await google.validateAuthorizationCode(answer.get('code'), verifier);
const claims = decodeIdToken(tokens.idToken());
const renewed = await google.refreshAccessToken(tokens.refreshToken());
await google.revokeToken(tokens.refreshToken());
result({ subject: claims.sub, email: claims.email, refreshed: renewed.accessToken() !== tokens.accessToken() });
