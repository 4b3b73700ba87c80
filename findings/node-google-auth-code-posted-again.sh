#!/usr/bin/env bash
# google-auth-library for Node.js posts a one-time code up to four times.
#
# OAuth2Client.getToken retries its POST as it retries reads: after a 5xx or 429, up to three times
# more, with the same code. RFC 6749 (section 4.1.2) has a provider refuse a code that comes again, and
# lets it revoke what the first one brought. If the failed POST had redeemed the code, as may be with a
# 5xx, all that the caller sees is invalid_grant.
# The call sets this itself, over the settings of the client's transporter. A backend in another language
# should not take Google's library as proof that codes may be sent again.
#
# Seen with google-auth-library 11.3.4 (gaxios as it requires). Needs Node.js and npm.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.mjs <<'END'
import http from 'node:http';
import {OAuth2Client} from 'google-auth-library';

// exchange returns the statuses that a provider answered with, until the library was content.
async function exchange(statuses) {
  const answered = [], codes = new Set();
  const provider = http.createServer((request, response) => {
    let body = '';
    request.on('data', part => body += part);
    request.on('end', () => {
      codes.add(new URLSearchParams(body).get('code'));
      const status = statuses[Math.min(answered.length, statuses.length - 1)];
      answered.push(status);
      response.writeHead(status, {'Content-Type': 'application/json'});
      response.end(JSON.stringify({error: status === 503 ? 'temporarily_unavailable' : 'invalid_grant'}));
    });
  });
  await new Promise(done => provider.listen(0, '127.0.0.1', done));
  const client = new OAuth2Client({
    clientId: '1-a.apps.googleusercontent.com',
    clientSecret: 'secret',
    redirectUri: 'https://example.com/cb',
    endpoints: {oauth2TokenUrl: `http://127.0.0.1:${provider.address().port}/token`},
  });
  let error;
  await client.getToken('4/0AbCd').catch(e => error = e);
  provider.close();
  return `answers ${answered.join(', ')} to ${codes.size} code; the error has status ${error.status}`;
}

console.log(await exchange([503, 400]));
console.log(await exchange([503]));
END
cat >expected <<'END'
answers 503, 400 to 1 code; the error has status 400
answers 503, 503, 503, 503 to 1 code; the error has status 503
END
npm install --no-audit --no-fund --ignore-scripts google-auth-library@11.3.4 >install.log 2>&1 || { cat install.log; exit 1; }
node main.mjs >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
