// Signs in with google-auth-library, and keeps the credentials.
import { writeFileSync } from 'node:fs';
import { OAuth2Client } from 'google-auth-library';

const client = new OAuth2Client({
  clientId: process.env.CLIENT_ID,
  clientSecret: process.env.CLIENT_SECRET,
  redirectUri: '',
  endpoints: { oauth2TokenUrl: `${process.env.FAKE}/token` },
});
const { tokens } = await client.getToken(process.env.CODE);
client.setCredentials(tokens);
writeFileSync(process.env.OUT, JSON.stringify(client.credentials));
