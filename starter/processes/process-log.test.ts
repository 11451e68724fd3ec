import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openProcessLog } from './process-log.ts';

describe('the log of a process', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'alga-log-'));
    file = path.join(folder, 'role.log');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('takes at most twice 10 MiB while its process runs, however much that says', async () => {
    const log = openProcessLog({ file, echo: undefined });
    const stream = new PassThrough();
    log.take(stream);
    const line = `${'x'.repeat(50_000)}\n`;
    for (let written = 0; written < 35 * 1024 ** 2; written += line.length) {
      if (!stream.write(line)) await new Promise((resolve) => stream.once('drain', resolve));
    }
    stream.end('last\n');
    await log.close();
    for (const part of [file, `${file}.1`]) expect(statSync(part).size).toBeLessThanOrEqual(10 * 1024 ** 2);
    expect(readFileSync(file, 'utf8').endsWith('x\nlast\n')).toBe(true);
  });

  it('has the last words of a process, and does not wait for ever for one that holds on to its output', async () => {
    const log = openProcessLog({ file, echo: undefined });
    const [ending, held] = [new PassThrough(), new PassThrough()];
    log.take(ending);
    log.take(held);
    const closed = log.close();
    ending.end('last words\n');
    await closed;
    expect(readFileSync(file, 'utf8')).toBe('last words\n');
    held.write('too late\n');
    held.end();
    await new Promise((resolve) => held.once('close', resolve));
    expect(readFileSync(file, 'utf8')).toBe('last words\n');
  });
});
