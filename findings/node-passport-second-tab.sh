#!/usr/bin/env bash
# Passport's Google strategy: a second tab ends the sign-in of the first, and its own with it.
#
# With state: true, or with PKCE, the strategy keeps one state in the session, not one for each sign-in.
# A second "Sign in with Google" in another tab, or a prefetch of that link, replaces it. When the user
# then finishes the first tab, the callback is refused with 403, and the state of the second one is
# deleted before the two are compared: the second tab is refused as well. So two tabs that are finished
# in the order in which they were opened sign nobody in, although the user has consented twice.
# A backend keeps one state for each sign-in (a cookie or a session entry named after the state), and
# removes it only when it was the one that came back.
#
# Seen with passport-google-oauth20 2.0.0 and passport-oauth2 1.8.0. Needs Node.js and npm.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.js <<'END'
const http = require('node:http');
const {Strategy} = require('passport-google-oauth20');

// What Passport's middleware gives to a strategy for one request of the browser.
const request = (strategy, session, query) => new Promise(resolve => {
  const s = Object.create(strategy);
  s.redirect = url => resolve(new URL(url).searchParams.get('state'));
  s.success = user => resolve(`signed in ${user}`);
  s.fail = (info, status) => resolve(`${status} ${info.message}`);
  s.error = err => resolve(`error ${err.message}`);
  s.authenticate({session, query, headers: {}, connection: {}}, {scope: ['openid']});
});

// Google's token endpoint and userinfo.
const google = http.createServer((req, res) => {
  res.setHeader('Content-Type', 'application/json');
  res.end(JSON.stringify(req.method === 'POST'
    ? {access_token: 'ya29.a0', expires_in: 3599, token_type: 'Bearer', scope: 'openid'}
    : {sub: '108365719284610937465'}));
});

google.listen(0, '127.0.0.1', async () => {
  const base = `http://127.0.0.1:${google.address().port}`;
  for (const pkce of [false, true]) {
    const strategy = new Strategy({
      clientID: '1-a.apps.googleusercontent.com', clientSecret: 'secret', callbackURL: 'https://example.com/cb',
      tokenURL: base + '/token', userProfileURL: base + '/userinfo', state: true, pkce,
    }, (accessToken, refreshToken, profile, done) => done(null, profile.id));
    console.log(pkce ? 'state and PKCE' : 'state');
    for (const order of [['first'], ['first', 'second'], ['second', 'first']]) {
      const session = {}, states = {};
      for (const tab of [...order].sort()) states[tab] = await request(strategy, session, {});
      for (const tab of order) {
        console.log(`${order.length} open, the ${tab} comes back:`, await request(strategy, session, {code: '4/0AbCd', state: states[tab]}));
      }
    }
  }
  google.close();
});
END
cat >expected <<'END'
state
1 open, the first comes back: signed in 108365719284610937465
2 open, the first comes back: 403 Invalid authorization request state.
2 open, the second comes back: 403 Unable to verify authorization request state.
2 open, the second comes back: signed in 108365719284610937465
2 open, the first comes back: 403 Unable to verify authorization request state.
state and PKCE
1 open, the first comes back: signed in 108365719284610937465
2 open, the first comes back: 403 Invalid authorization request state.
2 open, the second comes back: 403 Unable to verify authorization request state.
2 open, the second comes back: signed in 108365719284610937465
2 open, the first comes back: 403 Unable to verify authorization request state.
END
npm install --no-audit --no-fund --ignore-scripts passport-google-oauth20@2.0.0 passport-oauth2@1.8.0 >install.log 2>&1 || { cat install.log; exit 1; }
node main.js >seen
cat seen
diff expected seen || { echo "changed"; exit 1; }
echo "as described"
