import { join } from 'node:path';
import { startSandboxProcess, type Isolation } from '../../runner/sandbox/process.ts';

const SCRIPT = join(import.meta.dirname, 'bare-echo-process.ts');
const PACKAGE = join(import.meta.dirname, '..', '..', 'package.json');

export interface BareEcho {
  /** Sends the message and waits until as many bytes have come back. */
  call: () => Promise<void>;
  stop: () => void;
}

/** What sandboxes' channels are compared with: sockets and processes like theirs, without frames and without anything to run. */
export function startBareEcho(isolation: Isolation, message: Uint8Array): BareEcho {
  const started = startSandboxProcess(isolation, { script: SCRIPT, readable: [SCRIPT, PACKAGE] });
  const { channel } = started;
  const waiting: PromiseWithResolvers<undefined>[] = [];
  let received = 0;
  channel.on('data', (chunk: Buffer) => {
    received += chunk.byteLength;
    while (received >= message.byteLength) {
      received -= message.byteLength;
      waiting.shift()?.resolve(undefined);
    }
  });
  channel.on('close', () => {
    for (const { reject } of waiting) reject(new Error('the echo ended'));
  });
  return {
    call() {
      const back = Promise.withResolvers<undefined>();
      waiting.push(back);
      channel.write(message);
      return back.promise;
    },
    stop: () => started.kill(),
  };
}
