// Sends what the libraries fetch through the proxy of HTTPS_PROXY. Node.js 24 can do
// that by itself.
import { EnvHttpProxyAgent, setGlobalDispatcher } from 'undici';

setGlobalDispatcher(new EnvHttpProxyAgent());
