// Redeems an app's code and refreshes twice, with DPoP, by openid-client.
import './globals.mjs';
import * as client from 'openid-client';
import { env, result } from './guest.mjs';

const config = await client.discovery(new URL(env.FAKE), env.CLIENT_ID, env.CLIENT_SECRET, undefined, {
  execute: [client.allowInsecureRequests],
});
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
const granted = await client.genericGrantRequest(config, 'authorization_code', { code: env.APP_CODE, redirect_uri: '' }, { DPoP });
for (let i = 0; i < 2; i++) await client.refreshTokenGrant(config, granted.refresh_token, {}, { DPoP });

result(await DPoP.calculateThumbprint());
