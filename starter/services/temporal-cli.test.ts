import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cachedProgram, type Obtain } from './find-program.ts';
import { DOWNLOAD, findTemporalCli, GO, TEMPORAL_CLI } from './temporal-cli.ts';

describe('findTemporalCli', () => {
  let folder: string;
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);
  const during = <T>(_what: string, work: () => Promise<T>): Promise<T> => work();

  beforeEach(() => {
    lines.length = 0;
    folder = mkdtempSync(path.join(os.tmpdir(), 'alga-cli-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const makeCli = (file: string, server = '1.29.1'): string => {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `#!/bin/sh\necho "temporal version 1.5.1 (Server ${server}, UI 2.42.1)"\n`);
    chmodSync(file, 0o755);
    return file;
  };
  const inFolder = (name: string): string => path.join(folder, name, 'temporal');
  const environment = (more: Record<string, string> = {}): Record<string, string> => ({
    XDG_CACHE_HOME: path.join(folder, 'cache'),
    PATH: '',
    ...more,
  });
  const cached = (): string => cachedProgram(TEMPORAL_CLI, environment());
  const nothing: Obtain[] = [];

  it('takes TEMPORAL_CLI before anything else', async () => {
    const explicit = makeCli(inFolder('explicit'));
    makeCli(inFolder('path'));
    const env = environment({ TEMPORAL_CLI: explicit, PATH: path.join(folder, 'path') });
    expect(await findTemporalCli({ environment: env, log, during }, nothing)).toBe(explicit);
  });

  it('refuses a TEMPORAL_CLI that does not run instead of taking another', async () => {
    makeCli(inFolder('path'));
    const env = environment({ TEMPORAL_CLI: inFolder('nowhere'), PATH: path.join(folder, 'path') });
    await expect(findTemporalCli({ environment: env, log, during }, nothing)).rejects.toThrow(
      /^TEMPORAL_CLI=.*does not run/,
    );
  });

  it('takes the one on PATH before the cached one', async () => {
    const onPath = makeCli(inFolder('path'));
    makeCli(cached());
    const env = environment({ PATH: `${path.join(folder, 'empty')}:${path.join(folder, 'path')}` });
    expect(await findTemporalCli({ environment: env, log, during }, nothing)).toBe(onPath);
  });

  it('passes over one whose server is too old and says so', async () => {
    makeCli(inFolder('path'), '1.24.2');
    const kept = makeCli(cached());
    const env = environment({ PATH: path.join(folder, 'path') });
    expect(await findTemporalCli({ environment: env, log, during }, nothing)).toBe(kept);
    expect(lines).toEqual([`passing over ${inFolder('path')}: its server is 1.24; 1.28 or newer is needed`]);
  });

  it('obtains one by the first way that works, keeps it and does not do it again', async () => {
    let obtained = 0;
    const obtain: Obtain[] = [
      { what: 'downloading', into: () => Promise.reject(new Error('the network is closed')) },
      {
        what: 'compiling',
        into: (target) => {
          obtained += 1;
          makeCli(path.join(target, 'temporal'));
          return Promise.resolve();
        },
      },
    ];
    const env = environment();
    expect(await findTemporalCli({ environment: env, log, during }, obtain)).toBe(cached());
    expect(await findTemporalCli({ environment: env, log, during }, obtain)).toBe(cached());
    expect(obtained).toBe(1);
    expect(lines.slice(0, 3)).toEqual([
      'downloading',
      'that did not work (0 s): the network is closed',
      'compiling',
    ]);
    expect(readdirSync(path.join(folder, 'cache', 'alga-platform'))).toEqual(['temporal-cli-1.5.1']);
  });

  it('tells every way out when none works', async () => {
    const obtain = [{ what: 'downloading', into: () => Promise.reject(new Error('the network is closed')) }];
    const attempt = findTemporalCli({ environment: environment(), log, during }, obtain);
    await expect(attempt).rejects.toThrow(
      /downloading: the network is closed.*TEMPORAL_ADDRESS.*TEMPORAL_CLI.*Go 1\.25/s,
    );
  });

  it('says what kept the download from working, before anything else', async () => {
    const nobody = 'http://127.0.0.1:1';
    const env = environment({ PATH: process.env['PATH'] ?? '', HTTPS_PROXY: nobody, https_proxy: nobody });
    await expect(findTemporalCli({ environment: env, log, during }, [DOWNLOAD])).rejects.toThrow(
      /downloading the Temporal CLI[^\n]*: ended with code 1: [^\n]*failed to download[^\n]*Connection refused/,
    );
    expect(lines.at(-1)).toMatch(/^that did not work \(\d+ s\): .*failed to download.*Connection refused/);
  });

  it('is compiled by the version of Go that the README names', () => {
    const readme = readFileSync(path.resolve(import.meta.dirname, '..', '..', 'README.md'), 'utf8');
    expect([...readme.matchAll(/\bGo\b[^\d\n]{0,4}(\d+\.\d+)/g)].map(([, version]) => version)).toEqual([GO]);
  });

  it('stops obtaining when the start is given up', async () => {
    const signal = AbortSignal.abort();
    const never: Obtain = { what: 'compiling', into: () => Promise.reject(new Error('killed')) };
    const attempt = findTemporalCli({ environment: environment(), log, during, signal }, [never, never]);
    await expect(attempt).rejects.toMatchObject({ name: 'AbortError' });
    expect(lines).toEqual(['compiling']);
  });
});
