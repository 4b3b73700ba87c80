// Debian 12 has Node.js 18, which lacks some of the globals that the libraries use.
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= (await webcrypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])).constructor;
Headers.prototype.getSetCookie ??= function () {
  return this.get('set-cookie')?.split(/, (?=[^;,]+=)/) ?? [];
};
