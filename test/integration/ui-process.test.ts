import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { readUiInstall } from '../../core/api/internal.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { packTarZst } from '../../platform/bundle/pack.ts';
import { createHttpServer } from '../../platform/http/http-server.ts';
import { createLogger } from '../../platform/logger.ts';
import { createFolderObjectStore } from '../../platform/objects/folder-object-store.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import { createUiProcess } from '../../runner/assets/ui-process.ts';
import { eventually } from '../support/eventually.ts';

const EXTENSION = '00000000-0000-4000-8000-000000000003';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A real process of the UI listener on a folder of objects and a gateway that names every UI. */
async function setup() {
  const folder = await mkdtemp(join(tmpdir(), 'ui-process-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  const objects = join(folder, 'objects');
  const bundle = await packTarZst([
    { path: 'manifest.json', bytes: Buffer.from('{}') },
    { path: 'ui/index.html', bytes: Buffer.from('<!doctype html>') },
  ]);
  const hash = `sha256:${createHash('sha256').update(bundle).digest('hex')}`;
  await createFolderObjectStore({ folder: objects }).put(createObjectKeys('sha256/').bundle(hash), bundle);

  const asked: (string | undefined)[] = [];
  const gateway = createHttpServer((req, res) => {
    asked.push(req.headers.authorization);
    const found = req.url?.startsWith(readUiInstall.path) === true;
    res.writeHead(found ? 200 : 404).end(JSON.stringify({ entry: 'index.html', csp: {} }));
  });
  const gatewayPort = await gateway.listen({ host: '127.0.0.1', port: 0 });
  cleanups.push(() => gateway.close(0));

  const lookups: string[] = [];
  const log: string[] = [];
  const ui = createUiProcess(
    {
      logLevel: 'silent',
      environment: {},
      listen: { host: '127.0.0.1', port: 0 },
      gateway: { baseUrl: `http://127.0.0.1:${gatewayPort}`, token: new SecretValue('of-the-runner') },
      objects: { kind: 'folder', folder: objects, base: 'sha256/' },
      cache: { folder: join(folder, 'cache', 'ui'), maxBytes: 1 << 24 },
      listingKey: randomBytes(32),
    },
    {
      logger: createLogger({ level: 'info', process: 'runner' }, { write: (line) => void log.push(line) }),
      countLookup: (_cache, tier, count = 1) => void lookups.push(...Array<string>(count).fill(tier)),
    },
  );
  const port = await ui.start();
  cleanups.push(() => ui.close(1_000));
  const page = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}/ext-ui/${EXTENSION}/${hash}/`)).text();
  return { ui, page, asked, lookups, log };
}

/** The listeners that this process started, as the system has them: by process id. */
async function listeners(): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const [stat, command] = await Promise.all([
        readFile(`/proc/${name}/stat`, 'utf8'),
        readFile(`/proc/${name}/cmdline`, 'utf8'),
      ]);
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      if (parent === process.pid && command.includes('runner/assets/main.ts')) found.push(Number(name));
    } catch (err) {
      // ESRCH or ENOENT: it ended between the two.
      if (!['ENOENT', 'ESRCH'].includes((err as NodeJS.ErrnoException).code ?? '')) throw err;
    }
  }
  return found;
}

describe('the process of the UI listener', () => {
  it('serves, asks the gateway with the credential of the runner, and has its lookups counted', async () => {
    const { page, asked, lookups } = await setup();
    expect([await page(), await page()]).toEqual(['<!doctype html>', '<!doctype html>']);
    expect(asked).toEqual(['Bearer of-the-runner']);
    await eventually(() => {
      expect(lookups.toSorted()).toEqual(['memory', 'store']);
    });
  });

  it('is started anew on the same port when it is lost', async () => {
    const { page, log } = await setup();
    const [pid = 0] = await listeners();
    process.kill(pid, 'SIGKILL');
    await eventually(async () => {
      expect(await page()).toBe('<!doctype html>');
      expect(await listeners()).not.toContain(pid);
    });
    expect(log.filter((line) => line.includes('is gone'))).toHaveLength(1);
  });

  it('ends with the runner, and not with a signal to its whole group', async () => {
    const { ui, page } = await setup();
    const [pid = 0] = await listeners();
    process.kill(pid, 'SIGTERM');
    expect(await page()).toBe('<!doctype html>');
    await ui.close(1_000);
    expect(await listeners()).toEqual([]);
  });

  it('that cannot listen is the fault of whoever starts it', async () => {
    const taken = createHttpServer((_req, res) => res.end());
    const port = await taken.listen({ host: '127.0.0.1', port: 0 });
    cleanups.push(() => taken.close(0));
    const ui = createUiProcess(
      {
        logLevel: 'silent',
        environment: {},
        listen: { host: '127.0.0.1', port },
        gateway: { baseUrl: 'http://127.0.0.1:1', token: new SecretValue('t') },
        objects: { kind: 'folder', folder: tmpdir(), base: 'sha256/' },
        cache: { folder: await mkdtemp(join(tmpdir(), 'ui-process-')), maxBytes: 0 },
        listingKey: new Uint8Array(32),
      },
      { logger: createLogger({ level: 'silent', process: 'runner' }), countLookup: () => undefined },
    );
    await expect(ui.start()).rejects.toThrow('the process of the UI listener ended');
  });
});
