// Signs in with google-auth-library; see guest_test.go for what it is asked.
import { CodeChallengeMethod, OAuth2Client } from 'google-auth-library';
import { authorize, env, errorCode, result } from './guest.mjs';

const endpoints = {
  oauth2AuthBaseUrl: `${env.FAKE}/o/oauth2/v2/auth`,
  oauth2TokenUrl: `${env.FAKE}/token`,
  oauth2RevokeUrl: `${env.FAKE}/revoke`,
  tokenInfoUrl: `${env.FAKE}/tokeninfo`,
  oauth2FederatedSignonPemCertsUrl: `${env.FAKE}/oauth2/v1/certs`,
  oauth2FederatedSignonJwkCertsUrl: `${env.FAKE}/oauth2/v3/certs`,
};
const newClient = (redirectUri) =>
  new OAuth2Client({ clientId: env.CLIENT_ID, clientSecret: env.CLIENT_SECRET, redirectUri, endpoints });

// A browser redirect with PKCE.
const web = newClient(env.CALLBACK);
const pkce = await web.generateCodeVerifierAsync();
const answer = await authorize(web.generateAuthUrl({
  access_type: 'offline',
  scope: ['openid', 'email', 'profile'],
  state: 'state-1',
  code_challenge_method: CodeChallengeMethod.S256,
  code_challenge: pkce.codeChallenge,
}));
const { tokens } = await web.getToken({ code: answer.get('code'), codeVerifier: pkce.codeVerifier });
const ticket = await web.verifyIdToken({ idToken: tokens.id_token, audience: env.CLIENT_ID });
const info = await web.getTokenInfo(tokens.access_token);
if (info.email !== ticket.getPayload().email || info.aud !== env.CLIENT_ID) throw new Error('tokeninfo differs');

// An app's code.
const app = newClient('');
const granted = (await app.getToken(env.APP_CODE)).tokens;
app.setCredentials({ refresh_token: granted.refresh_token });
const renewed = (await app.getAccessToken()).token;
await app.revokeToken(renewed);
app.setCredentials({ refresh_token: granted.refresh_token });
const ended = await app.getAccessToken().then(() => 'still good', (e) => errorCode(e.response?.data?.error ?? e));

result({
  subject: ticket.getPayload().sub,
  email: ticket.getPayload().email,
  scopes: granted.scope.split(' '),
  refreshed: renewed !== granted.access_token,
  ended,
});
