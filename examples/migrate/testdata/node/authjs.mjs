// Signs in with Auth.js, and keeps the account that its adapter is given.
import './globals.mjs';
import { writeFileSync } from 'node:fs';
import { Auth, customFetch } from '@auth/core';
import Google from '@auth/core/providers/google';
import { Browser, fetchFake } from './browser.mjs';

const accounts = [];
const none = async () => null;
const adapter = {
  createUser: async (user) => ({ ...user, id: 'user-1' }),
  getUser: none,
  getUserByAccount: none,
  getUserByEmail: none,
  updateUser: none,
  linkAccount: async (account) => { accounts.push(account); },
};
const config = {
  adapter,
  secret: 'invented'.repeat(4),
  trustHost: true,
  basePath: '/api/auth',
  session: { strategy: 'jwt' },
  providers: [Google({
    clientId: process.env.CLIENT_ID,
    clientSecret: process.env.CLIENT_SECRET,
    authorization: { params: { access_type: 'offline', prompt: 'consent', scope: 'openid email https://www.googleapis.com/auth/drive.appdata' } },
    [customFetch]: fetchFake,
  })],
};
globalThis.fetch = ((real) => (url, options) => real(url.url ? url : String(url).replace('https://accounts.google.com', process.env.FAKE), options))(fetch);

const browser = new Browser((request) => Auth(request, config));
const { csrfToken } = await (await browser.request('/api/auth/csrf')).json();
const res = await browser.request('/api/auth/signin/google', {
  method: 'POST',
  body: new URLSearchParams({ csrfToken }),
});
await browser.consent(res.headers.get('location'));
writeFileSync(process.env.OUT, JSON.stringify(accounts));
