// What a browser does for the two libraries that sit behind a web page.
import readline from 'node:readline';

const input = readline.createInterface({ input: process.stdin });
const lines = input[Symbol.asyncIterator]();
const google = /^https:\/\/(accounts\.google|oauth2\.googleapis|openidconnect\.googleapis|www\.googleapis)\.com/;

// toFake makes an address of Google's one of the fake's.
export const toFake = (url) => String(url).replace(google, process.env.FAKE);

export const fetchFake = (url, options) => fetch(url.url ? new Request(toFake(url.url), url) : toFake(url), options);

// Browser sends requests to a handler, and keeps its cookies.
export class Browser {
  #cookies = new Map();

  constructor(handle) {
    this.handle = handle;
  }

  async request(path, options = {}) {
    const headers = new Headers(options.headers);
    headers.set('cookie', [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; '));
    headers.set('origin', 'http://localhost:3000');
    const res = await this.handle(new Request(new URL(path, 'http://localhost:3000'), { ...options, headers }));
    for (const cookie of res.headers.getSetCookie()) {
      const [name, value] = cookie.split(';')[0].split(/=(.*)/);
      this.#cookies.set(name, value);
    }
    return res;
  }

  // consent sends the user to Google, and follows where that redirects them.
  async consent(url) {
    console.log(`authorize ${toFake(url)}`);
    const back = (await lines.next()).value;
    input.close();
    const res = await this.request(back);
    if (res.status >= 400 || /error/.test(res.headers.get('location'))) {
      throw new Error(`callback: ${res.status} ${res.headers.get('location')} ${await res.text()}`);
    }
  }
}
