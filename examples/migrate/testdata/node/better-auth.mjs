// Signs in with better-auth, and keeps the account that its adapter is given.
import './globals.mjs';
import { writeFileSync } from 'node:fs';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { Browser, toFake } from './browser.mjs';

globalThis.fetch = ((real) => (url, options) => real(url.url ? new Request(toFake(url.url), url) : toFake(url), options))(fetch);
const db = { user: [], session: [], account: [], verification: [] };
const { secrets, encrypt } = JSON.parse(process.env.BETTER_AUTH);
const auth = betterAuth({
  database: memoryAdapter(db),
  baseURL: 'http://localhost:3000',
  ...secrets,
  account: { encryptOAuthTokens: encrypt },
  socialProviders: {
    google: {
      clientId: process.env.CLIENT_ID,
      clientSecret: process.env.CLIENT_SECRET,
      accessType: 'offline',
      prompt: 'consent',
    },
  },
});

const browser = new Browser(auth.handler);
const res = await browser.request('/api/auth/sign-in/social', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ provider: 'google', callbackURL: '/' }),
});
await browser.consent((await res.json()).url);
writeFileSync(process.env.OUT, JSON.stringify(db.account));
