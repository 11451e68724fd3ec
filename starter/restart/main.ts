import { statSync } from 'node:fs';
import path from 'node:path';
import { loadStarterConfig } from '../config.ts';
import { readLocalFile } from '../local-file.ts';
import { processIdentity } from '../processes/identity.ts';
import { waitFor } from '../wait-for.ts';

// `npm run restart`: has the `npm start` of this data folder replace its roles, one after the other, while calls go on.

const WITHIN_MS = 15 * 60_000;
const SERVICES = ['postgres', 'temporal'];

function fail(why: string): never {
  console.error(why);
  process.exit(1);
}

const { dataDir } = loadStarterConfig(process.env);
const file = path.join(dataDir, 'local.json');
const before = readLocalFile(file);
if (!before || processIdentity(before.pid) !== before.identity) {
  fail(`nothing that has started runs in ${dataDir}; start it with "npm start", or give its DATA_DIR`);
}
const { pid, identity } = before;
const writtenAt = (): number | undefined => statSync(file, { throwIfNoEntry: false })?.mtimeMs;

const writtenBefore = writtenAt();
process.kill(pid, 'SIGUSR2');
// Written anew once each has had its turn, removed when everything stops.
const isOver = (): boolean => writtenAt() !== writtenBefore || processIdentity(pid) !== identity;
if (!(await waitFor(isOver, WITHIN_MS))) fail('not replaced yet; what npm start says has the reason');

const now = readLocalFile(file);
if (!now) fail('the platform was stopped meanwhile');
const roles = Object.keys(now.processes).filter((name) => !SERVICES.includes(name));
const kept = roles.filter((name) => [0, before.processes[name]].includes(now.processes[name]));
if (kept.length > 0) fail(`not replaced: ${kept.join(', ')}; what npm start says has the reason`);
console.log(`replaced: ${roles.join(', ')}`);
