import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { Connection, isGrpcServiceError } from '@temporalio/client';
import proto from '@temporalio/proto';
import { SEARCH_ATTRIBUTES } from '../../core/search-attributes.ts';
import { connectionOptions, type TemporalServer } from '../../platform/temporal/server.ts';
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
    alive: () => asking({ address }, () => Promise.resolve(true), ALIVE_WITHIN_MS),
  });
  return { address, ui: `http://127.0.0.1:${uiPort}`, pid: server.pid, stop: server.stop };
}

/**
 * Makes a Temporal server of somebody else's usable: the namespace must be there, search attributes are added. Answers what is to be looked at
 * by a person, where that server lets us neither look nor add; throws where it names them and lets nobody add the missing ones.
 */
export async function prepareTemporal(
  server: TemporalServer,
  namespace: string,
): Promise<string | undefined> {
  // Lazy, because `connect` leaves a connection that failed open, and it would try on for ever.
  const connection = Connection.lazy({ ...connectionOptions(server), connectTimeout: 10_000 });
  try {
    await connection.ensureConnected();
    await connection.workflowService.describeNamespace({ namespace });
    const missing = await orRefused(missingSearchAttributes(connection, namespace));
    if (missing === REFUSED) {
      return `${server.address} does not say which search attributes it has: it must have, as Keyword, ${SEARCH_ATTRIBUTES.join(', ')}`;
    }
    if (missing.length === 0) return undefined;
    const searchAttributes = Object.fromEntries(
      missing.map((name) => [name, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD]),
    );
    const added = connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
    if ((await orRefused(added)) === REFUSED) {
      throw new Error(
        `${server.address} lets nobody add search attributes by us: add to the namespace ${namespace}, as Keyword, ${missing.join(', ')}`,
      );
    }
    return undefined;
  } finally {
    await connection.close();
  }
}

const REFUSED = Symbol('refused');
const PERMISSION_DENIED = 7;
const UNIMPLEMENTED = 12;

/** A server that others look after may keep its operators' part to them. */
async function orRefused<T>(asked: Promise<T>): Promise<T | typeof REFUSED> {
  try {
    return await asked;
  } catch (cause) {
    if (isGrpcServiceError(cause) && [PERMISSION_DENIED, UNIMPLEMENTED].includes(cause.code)) return REFUSED;
    throw cause;
  }
}

/** A poll lasts a minute when there is nothing to do. */
const POLLS_WITHIN_MS = 90_000;

/** Whether a worker process takes tasks of a queue. */
export interface WorkerPolls {
  /** It has asked for one. */
  ready: (pid: number) => Promise<boolean>;
  /** It has asked anew of late; true also where Temporal does not say, which is no fault of the worker's. */
  alive: (pid: number) => Promise<boolean>;
}

/** By its polls for tasks of that type, as Temporal knows them. */
export function watchPolls(
  { namespace, ...server }: TemporalServer & { namespace: string },
  taskQueue: string,
  type: 'workflow' | 'activity',
  withinMs = POLLS_WITHIN_MS,
): WorkerPolls {
  const { TASK_QUEUE_TYPE_WORKFLOW, TASK_QUEUE_TYPE_ACTIVITY } = TaskQueueType;
  const taskQueueType = type === 'workflow' ? TASK_QUEUE_TYPE_WORKFLOW : TASK_QUEUE_TYPE_ACTIVITY;
  // By the clock of Temporal, which need not be ours: that it has changed is all that says anything.
  let last: { poll: string; pid: number; seenAt: number } | undefined;

  /** Of its latest poll; undefined if there is none. */
  const lastPoll = async (connection: Connection, pid: number): Promise<string | undefined> => {
    const { pollers } = await connection.workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name: taskQueue },
      taskQueueType,
    });
    // The SDK's identity of a worker is `pid@host`.
    const own = pollers.filter(({ identity }) => identity?.startsWith(`${pid}@`));
    return own.length > 0 ? JSON.stringify(own.map(({ lastAccessTime }) => lastAccessTime)) : undefined;
  };

  return {
    ready: (pid) => asking(server, async (connection) => (await lastPoll(connection, pid)) !== undefined),
    async alive(pid) {
      let poll: string | undefined;
      const isAnswered = await asking(
        server,
        async (connection) => {
          poll = await lastPoll(connection, pid);
          return true;
        },
        ALIVE_WITHIN_MS,
      );
      const now = performance.now();
      if (!isAnswered || last?.pid !== pid || (poll !== undefined && poll !== last.poll)) {
        last = { poll: poll ?? '', pid, seenAt: now };
      }
      return now - last.seenAt <= withinMs;
    },
  };
}

function hasSearchAttributes(address: string, namespace: string): Promise<boolean> {
  return asking(
    { address },
    async (connection) => (await missingSearchAttributes(connection, namespace)).length === 0,
  );
}

async function asking(
  server: TemporalServer,
  question: (connection: Connection) => Promise<boolean>,
  connectTimeout = 1_000,
): Promise<boolean> {
  const connection = Connection.lazy({ ...connectionOptions(server), connectTimeout });
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
