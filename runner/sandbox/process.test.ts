import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from '@jest/globals';
import { startSandboxProcess } from './process.ts';

// What a sandbox process may not do is in test/integration/escape.test.ts.

it('is told to take one thread for V8’s background work', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sandbox-'));
  try {
    const script = join(folder, 'probe.mjs');
    await writeFile(
      script,
      `import { Socket } from 'node:net';
       new Socket({ fd: 3, readable: true, writable: true }).end(JSON.stringify(process.execArgv));`,
    );
    const { channel } = startSandboxProcess('process', { script, readable: [script] });
    expect(JSON.parse(await text(channel))).toContain('--v8-pool-size=1');
  } finally {
    await rm(folder, { recursive: true });
  }
});
