import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Environment } from '../../platform/config/environment.ts';
import type { Program } from '../../starter/services/find-program.ts';
import { findOrInstall } from './install-with-apt.ts';

const CHROMIUM: Program = { name: 'chromium', title: 'Chromium', variable: 'CHROMIUM', cachedIn: 'chromium' };

/** It talks to nobody but the page's servers. Without its sandbox, since CI is root, and the pages are ours. */
const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/** A browser. Undefined where there is none and it is not ours to install. */
export function findChromium(environment: Environment): Promise<string | undefined> {
  return findOrInstall(CHROMIUM, 'chromium', environment);
}

export interface Browser {
  close(): Promise<void>;
}

/** Opens a page with a profile of its own. */
export async function openPage(chromium: string, url: string): Promise<Browser> {
  const profile = await mkdtemp(path.join(os.tmpdir(), 'alga-chromium-'));
  const browser = spawn(chromium, [...FLAGS, `--user-data-dir=${profile}`, url], {
    stdio: 'ignore',
    detached: true, // a group of its own, with all its processes
  });
  const ended = once(browser, 'exit');
  return {
    async close() {
      if (browser.pid !== undefined && browser.exitCode === null) process.kill(-browser.pid, 'SIGKILL');
      await ended;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
