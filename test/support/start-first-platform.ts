// Starts a platform once and stops it; prints the folder with its data, with which platforms of tests begin.
import { makeDataDir, runStarter } from './platform.ts';

const dataDir = makeDataDir();
const starter = runStarter(dataDir);
await starter.ready();
starter.signal('SIGINT');
if ((await starter.ended) !== 0) throw new Error(`the first platform did not stop:\n${starter.output()}`);
console.log(dataDir);
