// Signs in with Auth.js; see guest_test.go for what it is asked. It does not refresh.
import './globals.mjs';
import './proxy.mjs';
import { Auth } from '@auth/core';
import Google from '@auth/core/providers/google';
import { Browser } from './browser.mjs';
import { authorize, env, result } from './guest.mjs';

const config = {
  secret: 'invented'.repeat(4),
  trustHost: true,
  basePath: '/api/auth',
  providers: [Google({ clientId: env.CLIENT_ID, clientSecret: env.CLIENT_SECRET })],
  callbacks: { // the session has no subject by default
    jwt: ({ token, account }) => (account ? { ...token, sub: account.providerAccountId } : token),
    session: ({ session, token }) => ({ ...session, user: { ...session.user, id: token.sub } }),
  },
};
const browser = new Browser((request) => Auth(request, config));
const { csrfToken } = await browser.json('/api/auth/csrf');
const res = await browser.request('/api/auth/signin/google', { method: 'POST', body: new URLSearchParams({ csrfToken }) });
await browser.request(`/api/auth/callback/google?${await authorize(res.headers.get('location'))}`);
const { user } = await browser.json('/api/auth/session');
result({ subject: user.id, email: user.email, refreshed: false });
