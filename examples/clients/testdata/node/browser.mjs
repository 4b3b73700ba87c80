// A browser for a site that is a function from Request to Response.
const origin = 'http://localhost:8080';

export class Browser {
  #cookies = new Map();

  constructor(handle) {
    this.handle = handle;
  }

  async request(path, options = {}) {
    const headers = new Headers(options.headers);
    headers.set('cookie', [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; '));
    headers.set('origin', origin);
    const res = await this.handle(new Request(new URL(path, origin), { ...options, headers }));
    for (const cookie of res.headers.getSetCookie()) {
      const [name, value] = cookie.split(';')[0].split(/=(.*)/);
      this.#cookies.set(name, value);
    }
    if (res.status >= 400 || /error/.test(res.headers.get('location'))) {
      throw new Error(`${path}: ${res.status} ${res.headers.get('location')} ${await res.text()}`);
    }
    return res;
  }

  async json(path, body) {
    const options = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    return (await this.request(path, options)).json();
  }
}
