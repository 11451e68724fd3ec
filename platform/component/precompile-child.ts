import { writeSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { decodeFrame, encodeFrame } from '../../core/execute-frame.ts';
import { isPlatformError } from '../../core/errors.ts';
import { limitOwnMemory } from './limit-own-memory.ts';
import { ANSWER_DESCRIPTOR, BEGUN, childTask, type ChildAnswer } from './precompile-protocol.ts';

// A process of its own for one component: bytes in on standard input, one frame out. It holds no credential and may write no file.

async function run(): Promise<{ answer: ChildAnswer; body: Uint8Array }> {
  try {
    const frame = decodeFrame(await buffer(process.stdin));
    if (!frame) throw new Error('the task is no frame'); // no word about the component
    const task = childTask.parse(frame.head);
    limitOwnMemory(task.toolMemoryMb);
    if (task.kind === 'inspect') {
      const { inspectComponent } = await import('./inspect-component.ts');
      write(BEGUN);
      return {
        answer: { kind: 'inspected', inspection: await inspectComponent(frame.body) },
        body: new Uint8Array(),
      };
    }
    const [{ generateInThread }, { transpileComponent }] = await Promise.all([
      import('./generate-in-thread.ts'),
      import('./transpile-component.ts'),
    ]);
    write(BEGUN);
    const { memoryMb, toolMemoryMb } = task;
    const { glue, coreModules, imports, plan } = await transpileComponent(frame.body, {
      memoryMb,
      generate: (component) => generateInThread({ component, toolMemoryMb }),
    });
    const modules = Object.entries(coreModules);
    return {
      answer: {
        kind: 'precompiled',
        imports,
        ...(plan && { plan }),
        ...(glue && { glue: glue.length }),
        coreModules: modules.map(([name, bytes]) => ({ name, size: bytes.length })),
      },
      body: Buffer.concat([...(glue ? [glue] : []), ...modules.map(([, bytes]) => bytes)]),
    };
  } catch (error) {
    if (!isPlatformError(error)) throw error;
    const { code, message, details, issues } = error;
    return {
      answer: { kind: 'failed', code, message, details, issues: [...issues] },
      body: new Uint8Array(),
    };
  }
}

function write(bytes: Uint8Array): void {
  for (let sent = 0; sent < bytes.length;) sent += writeSync(ANSWER_DESCRIPTOR, bytes, sent);
}

const { answer, body } = await run();
for (const part of encodeFrame(answer, body)) write(part);
