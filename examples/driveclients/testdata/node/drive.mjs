// Google's Drive client for Node.js, as its guide uses it, against the Drive at
// process.argv[2]. Prints what it found.
import { Readable } from 'node:stream';
import { auth as google, drive } from '@googleapis/drive';

const auth = new google.OAuth2();
auth.setCredentials({ access_token: 'token' });
const rootUrl = process.argv[2] + '/'; // uploads heed it only if each has it
const { files } = drive({ version: 'v3', auth, rootUrl });
const found = {};

found.folder = (await files.get({ fileId: 'appDataFolder', fields: 'id,mimeType' })).data.mimeType;

const [id] = (await files.generateIds({ space: 'appDataFolder', count: 1 })).data.ids;
const create = () => files.create({
  requestBody: { id, name: 'settings.json', parents: ['appDataFolder'], appProperties: { app: 'test' } },
  media: { mimeType: 'application/json', body: Readable.from(['{"theme":', '"dark"}']) },
  fields: 'id,size',
}, { rootUrl });
found.created = (await create()).data.id === id;
const failure = (e) => [e.status ?? e.response?.status, e.response?.data?.error?.errors?.[0]?.reason ?? e.errors?.[0]?.reason];
found.again = await create().catch(failure);

found.settings = (await files.get({ fileId: id, alt: 'media' })).data;
const part = await files.get({ fileId: id, alt: 'media' }, { headers: { Range: 'bytes=1-7' }, responseType: 'text' });
found.part = [part.status, part.data];

await files.update({
  fileId: id,
  requestBody: { name: 'renamed' },
  media: { mimeType: 'text/plain', body: 'changed' },
}, { rootUrl });
await files.create({ requestBody: { name: 'empty', parents: ['appDataFolder'] } });

found.names = [];
let pageToken;
do {
  const { data } = await files.list({
    spaces: 'appDataFolder', orderBy: 'name', pageSize: 1, pageToken, fields: 'nextPageToken, files(name)',
  });
  found.names.push(...data.files.map((file) => file.name));
  pageToken = data.nextPageToken;
} while (pageToken);

found.wrongSpace = await files.list().catch(failure);
found.deleted = (await files.delete({ fileId: id })).status;
found.gone = await files.get({ fileId: id }).catch(failure);
console.log(JSON.stringify(found));
