import path from 'node:path';
import { loadLocalSecrets } from '../../secrets-file.ts';
import { containerSecrets, ownPasswords, writeSecrets } from '../secrets.ts';

// What `docker compose up` runs first: makes every secret of the platform once, and hands each container those it needs as files in a volume of its own.

const FOLDER = '/secrets';
const KEPT = path.join(FOLDER, 'all');

const secrets = loadLocalSecrets(path.join(KEPT, 'secrets.json'), console.log);
const files = containerSecrets(secrets, ownPasswords(path.join(KEPT, 'passwords.json')));
for (const [consumer, values] of Object.entries(files)) writeSecrets(path.join(FOLDER, consumer), values);
console.log(JSON.stringify({ level: 'info', process: 'secrets', msg: 'every container has its secrets' }));
