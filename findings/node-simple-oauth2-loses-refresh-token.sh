#!/usr/bin/env bash
# simple-oauth2 loses Google's refresh token at the first refresh.
#
# Google's answer to a refresh has no refresh token: the old one stays good. AccessToken.refresh means to
# copy the old one into the new AccessToken, but reads it from a property that does not exist, so the new
# one has none. A caller that saves the new token overwrites the refresh token in its store. All works for
# another hour; then the second refresh is refused, and the user has to consent again.
# A backend puts the old refresh token into the token that it saves, if the new one has none.
#
# Seen with simple-oauth2 5.1.0. Needs Node.js and npm.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.mjs <<'END'
import http from 'node:http';
import {AuthorizationCode} from 'simple-oauth2';

// The provider answers as Google does: with a refresh token to a code, without one to a refresh.
const provider = http.createServer(async (request, response) => {
  let text = '';
  for await (const chunk of request) text += chunk;
  const form = new URLSearchParams(text);
  const answer = (status, value) => {
    response.writeHead(status, {'Content-Type': 'application/json'});
    response.end(JSON.stringify(value));
  };
  const token = {access_token: 'ya29.a0', expires_in: 3599, token_type: 'Bearer', scope: 'openid'};
  console.log(`${form.get('grant_type')}: refresh_token "${form.get('refresh_token') ?? ''}"`);
  if (form.get('grant_type') === 'authorization_code') answer(200, {...token, refresh_token: '1//first'});
  else if (form.get('refresh_token') === '1//first') answer(200, token);
  else answer(400, {error: 'invalid_request'});
}).listen(0, '127.0.0.1');
await new Promise(resolve => provider.once('listening', resolve));

const client = new AuthorizationCode({
  client: {id: '1-a.apps.googleusercontent.com', secret: 'secret'},
  auth: {tokenHost: `http://127.0.0.1:${provider.address().port}`, tokenPath: '/token'},
  options: {authorizationMethod: 'body'},
});

let token = await client.getToken({code: '4/0AbCd', redirect_uri: 'https://example.com/cb'});
let stored = JSON.stringify(token);
console.log('stored at sign-in:', JSON.parse(stored).refresh_token);

token = await client.createToken(JSON.parse(stored)).refresh();
stored = JSON.stringify(token);
console.log('stored after a refresh:', JSON.parse(stored).refresh_token);

try {
  await client.createToken(JSON.parse(stored)).refresh();
  console.log('second refresh: done');
} catch (e) {
  console.log('second refresh:', e.message);
}
provider.close();
provider.closeAllConnections();
END
cat >expected <<'END'
authorization_code: refresh_token ""
stored at sign-in: 1//first
refresh_token: refresh_token "1//first"
stored after a refresh: undefined
refresh_token: refresh_token ""
second refresh: Response Error: 400 Bad Request
END
npm install --no-audit --no-fund --ignore-scripts simple-oauth2@5.1.0 >install.log 2>&1 || { cat install.log; exit 1; }
node main.mjs >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
