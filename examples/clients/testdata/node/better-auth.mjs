// Signs in with better-auth; see guest_test.go for what it is asked.
import './globals.mjs';
import './proxy.mjs';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { Browser } from './browser.mjs';
import { authorize, env, result } from './guest.mjs';

const auth = betterAuth({
  database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
  baseURL: 'http://localhost:8080',
  secret: 'an invented secret of 32 letters',
  socialProviders: {
    google: { clientId: env.CLIENT_ID, clientSecret: env.CLIENT_SECRET, accessType: 'offline', prompt: 'consent' },
  },
});
const browser = new Browser(auth.handler);
const { url } = await browser.json('/api/auth/sign-in/social', { provider: 'google', callbackURL: '/' });
await browser.request(`/api/auth/callback/google?${await authorize(url)}`);
const { user } = await browser.json('/api/auth/get-session');
const [account] = await browser.json('/api/auth/list-accounts');
const before = await browser.json('/api/auth/get-access-token', { accountId: account.id });
const after = await browser.json('/api/auth/refresh-token', { accountId: account.id });
result({ subject: account.accountId, email: user.email, refreshed: Boolean(after.accessToken) && after.accessToken !== before.accessToken });
