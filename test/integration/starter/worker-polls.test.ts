import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { NativeConnection, Worker } from '@temporalio/worker';
import { watchPolls } from '../../../starter/services/temporal-server.ts';
import { eventually } from '../../support/eventually.ts';
import { createTestNamespace, type TestNamespace } from '../../support/workflow-environment.ts';

const QUEUE = 'polled';

let temporal: TestNamespace;
let connection: NativeConnection;
beforeAll(async () => {
  temporal = await createTestNamespace();
  connection = await NativeConnection.connect({ address: temporal.address });
});
afterAll(async () => {
  await connection.close();
  await temporal.close();
});

/** Polls until it is told to stop; its process, which is this one, lives on. */
async function startWorker(): Promise<() => Promise<void>> {
  const worker = await Worker.create({
    ...{ connection, namespace: temporal.namespace, taskQueue: QUEUE },
    activities: { nothing: () => Promise.resolve() },
  });
  const running = worker.run();
  return async () => {
    worker.shutdown();
    await running;
  };
}

it('tells a worker that polls from one that lives and has stopped, and from a Temporal that is away', async () => {
  const polls = watchPolls(temporal, QUEUE, 'activity', 200);
  expect(await polls.ready(process.pid)).toBe(false);
  const stop = await startWorker();
  await eventually(async () => expect(await polls.ready(process.pid)).toBe(true));
  expect(await polls.alive(process.pid)).toBe(true);
  await stop();
  await eventually(async () => expect(await polls.alive(process.pid)).toBe(false));
  const stopAgain = await startWorker();
  await eventually(async () => expect(await polls.alive(process.pid)).toBe(true));
  await stopAgain();
  const away = watchPolls({ ...temporal, address: '127.0.0.1:9' }, QUEUE, 'activity', 0);
  for (let asked = 0; asked < 2; asked += 1) expect(await away.alive(process.pid)).toBe(true);
});
