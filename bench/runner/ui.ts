import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../starter/ports.ts';
import { judge, median } from '../engine/figures.ts';
import { load, openConnection, type Load } from './raw-client.ts';
import type { Field } from './runner-process.ts';

const ROUNDS = 5;
const CALLS = 10_000;
const CLIENTS = 16;
/** What a script of a small UI takes. */
const SIZE = 16 * 1024;
const EXTENSION = '00000000-0000-4000-8000-0000000000e1';
const WHAT = 'requests/s against nginx, 16 KiB';

/** One file of a UI in the runner's cache, and the same bytes from nginx. */
export async function measureUi(field: Field): Promise<object[]> {
  if (spawnSync('nginx', ['-v']).status !== 0)
    return [{ what: WHAT, verdict: 'not measured here: no nginx' }];
  const bytes = Buffer.from(randomBytes(SIZE / 2).toString('hex'));
  const ui = { type: 'iframe', entry: 'ui/index.html' };
  const contentHash = await field.publishUi([
    { path: 'manifest.json', bytes: Buffer.from(JSON.stringify({ name: 'bench', ui })) },
    { path: 'ui/index.html', bytes: Buffer.from('<!doctype html>') },
    { path: 'ui/main.js', bytes },
  ]);
  const runner = await field.start();
  const nginx = await startNginx(bytes);
  try {
    const ours = `/ext-ui/${EXTENSION}/${contentHash}/main.js`;
    const theirs = '/main.js';
    const run = (port: number, path: string): Promise<Load> =>
      load(
        { port },
        Array.from({ length: CALLS }, () => get(path)),
        CLIENTS,
      );
    // V8 compiles what is hot over the first twenty thousand.
    for (let round = 0; round < 2; round += 1) {
      await run(runner.uiPort, ours);
      await run(nginx.port, theirs);
    }
    const rounds: { ours: Load; theirs: Load }[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      rounds.push({ ours: await run(runner.uiPort, ours), theirs: await run(nginx.port, theirs) });
    }
    const rate = (of: 'ours' | 'theirs'): number => median(rounds.map((one) => one[of].perSecond));
    const ratio = Number((rate('ours') / rate('theirs')).toFixed(2));
    const beside = `${Math.round(rate('ours'))} of ${Math.round(rate('theirs'))}/s`;
    return [{ what: WHAT, figure: ratio, beside, ...judge(ratio, { atLeast: 0.4, stretch: 0.8 }) }];
  } finally {
    await nginx.stop();
    await runner.stop();
  }
}

function get(path: string): Buffer {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nhost: bench\r\n\r\n`);
}

async function startNginx(bytes: Buffer): Promise<{ port: number; stop: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-nginx-'));
  const port = await freePort();
  await writeFile(join(folder, 'main.js'), bytes, { mode: 0o644 });
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr;
    events { worker_connections 128; }
    http {
      access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
      open_file_cache max=100; types { text/javascript js; }
      ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
      server { listen 127.0.0.1:${port}; root ${folder}; }
    }`,
  );
  const child = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  for (let left = 50; !(await answers(port)); left -= 1) {
    if (left === 0) throw new Error('nginx did not start');
    await delay(100);
  }
  return {
    port,
    async stop() {
      const ended = once(child, 'exit');
      kill();
      await ended;
      process.off('exit', kill);
      await rm(folder, { recursive: true });
    },
  };
}

async function answers(port: number): Promise<boolean> {
  const connection = await openConnection({ port }).catch(() => undefined);
  connection?.close();
  return connection !== undefined;
}
