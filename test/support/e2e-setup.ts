import { makeDataDir, runStarter } from './platform.ts';

/** Starts a platform once and stops it: what its first start leaves is what platforms of tests begin with. */
export default async function setup(): Promise<void> {
  const dataDir = makeDataDir();
  const starter = runStarter(dataDir);
  await starter.ready();
  starter.signal('SIGINT');
  if ((await starter.ended) !== 0) throw new Error(`the first platform did not stop:\n${starter.output()}`);
  process.env['TEST_STARTED_DATA_DIR'] = dataDir;
}
