import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { Connection } from '@temporalio/client';
import proto from '@temporalio/proto';
import { SEARCH_ATTRIBUTES } from '../../core/search-attributes.ts';
import type { Supervisor } from '../processes/supervisor.ts';

// A default import because Node finds no named exports in this package.
const { IndexedValueType, TaskQueueType } = proto.temporal.api.enums.v1;

const ALIVE_WITHIN_MS = 10_000;

export interface TemporalOptions {
  /** The Temporal CLI. */
  cli: string;
  /** Folder of the database file. */
  dataDir: string;
  namespace: string;
  port: number;
  uiPort: number;
  /** What the UI has payloads decoded by; without one it shows ciphertext. */
  codecEndpoint?: string;
  supervisor: Supervisor;
}

export interface LocalTemporal {
  address: string;
  /** Of the web UI. */
  ui: string;
  pid: () => number | undefined;
  stop: () => Promise<void>;
}

/** Arguments by which the server of this folder is known. */
export function temporalMark(dataDir: string): readonly string[] {
  return ['--db-filename', path.join(dataDir, 'temporal.db')];
}

/** Starts the dev server on 127.0.0.1; workflows survive its restart. */
export async function startTemporal(options: TemporalOptions): Promise<LocalTemporal> {
  const { cli, port, uiPort, codecEndpoint, namespace, supervisor } = options;
  const dataDir = path.resolve(options.dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const address = `127.0.0.1:${port}`;
  const server = await supervisor.start({
    name: 'temporal',
    command: cli,
    args: [
      ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--ui-port', String(uiPort)],
      ...(codecEndpoint === undefined ? [] : ['--ui-codec-endpoint', codecEndpoint]),
      ...[...temporalMark(dataDir), '--log-level', 'warn', '--namespace', namespace],
      ...SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
      // The one history shard is polled 20 times a second by default, which costs each task about 45 ms.
      ...['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=2000'],
      ...['--dynamic-config-value', 'history.timerProcessorMaxPollRPS=2000'],
      ...['--dynamic-config-value', 'history.visibilityProcessorMaxPollRPS=500'],
      // Off by default: an activity for the worker that asked for it, such as one on the database, comes with the answer and passes no queue.
      ...['--dynamic-config-value', 'system.enableActivityEagerExecution=true'],
      // Off by default: tasks of a queue are taken from tenants in turn.
      ...['--dynamic-config-value', 'matching.enableFairness=true'],
      // Each partition of a queue keeps an order of its own; one is plenty for one machine, and then the order holds for the queue.
      ...['--dynamic-config-value', 'matching.numTaskqueueReadPartitions=1'],
      ...['--dynamic-config-value', 'matching.numTaskqueueWritePartitions=1'],
      ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'],
    ],
    // Configuration of the CLI lies below HOME; this server is not to read the user's.
    env: { HOME: dataDir },
    cwd: dataDir,
    ready: () => hasSearchAttributes(address, namespace),
    alive: () => asking(address, () => Promise.resolve(true), ALIVE_WITHIN_MS),
  });
  return { address, ui: `http://127.0.0.1:${uiPort}`, pid: server.pid, stop: server.stop };
}

/** Makes a Temporal server of somebody else's usable: the namespace must be there, search attributes are added. */
export async function prepareTemporal(address: string, namespace: string): Promise<void> {
  // Lazy, because `connect` leaves a connection that failed open, and it would try on for ever.
  const connection = Connection.lazy({ address, connectTimeout: 10_000 });
  try {
    await connection.ensureConnected();
    await connection.workflowService.describeNamespace({ namespace });
    const missing = await missingSearchAttributes(connection, namespace);
    if (missing.length === 0) return;
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(
        missing.map((name) => [name, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD]),
      ),
    });
  } finally {
    await connection.close();
  }
}

/** Whether a worker process takes tasks of the queue. */
export async function workerPolls(
  { address, namespace }: { address: string; namespace: string },
  taskQueue: string,
  pid: number,
): Promise<boolean> {
  return asking(address, async (connection) => {
    const { pollers } = await connection.workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name: taskQueue },
      taskQueueType: TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    });
    // The SDK's identity of a worker is `pid@host`.
    return pollers.some(({ identity }) => identity?.startsWith(`${pid}@`));
  });
}

function hasSearchAttributes(address: string, namespace: string): Promise<boolean> {
  return asking(
    address,
    async (connection) => (await missingSearchAttributes(connection, namespace)).length === 0,
  );
}

async function asking(
  address: string,
  question: (connection: Connection) => Promise<boolean>,
  connectTimeout = 1_000,
): Promise<boolean> {
  const connection = Connection.lazy({ address, connectTimeout });
  try {
    await connection.ensureConnected();
    return await question(connection);
  } catch {
    return false; // still starting: the port answers before the namespace is there
  } finally {
    await connection.close();
  }
}

async function missingSearchAttributes(connection: Connection, namespace: string): Promise<string[]> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  return SEARCH_ATTRIBUTES.filter((name) => customAttributes[name] === undefined);
}
