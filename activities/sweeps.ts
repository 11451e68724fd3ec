import { MAX_TIMEOUT_MS, START_WITHIN_MS } from '../core/execute.ts';
import {
  consentWorkflowId,
  installWorkflowId,
  publishWorkflowId,
  purgeWorkflowId,
  settingsWorkflowId,
} from '../core/ids.ts';
import { stepsWhenLost, type FailureReason } from '../core/progress.ts';
import type { ApiKeySweepStore } from '../platform/db/api-key-sweep.ts';
import type { DraftSweepStore } from '../platform/db/draft-sweep.ts';
import type { ExecutionSweepStore } from '../platform/db/execution-sweep.ts';
import type { InstallSweepStore, QuietInstall } from '../platform/db/install-sweep.ts';
import type { DuePurge, PurgeStore } from '../platform/db/purge.ts';
import type { StorageSweepStore } from '../platform/db/storage-sweep.ts';
import { isJudged, type TrustStore } from '../platform/db/trust.ts';
import type { QuietPublish, UploadSweepStore } from '../platform/db/upload-sweep.ts';
import type { VersionSweepStore } from '../platform/db/version-sweep.ts';
import type { ObjectKeys } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';
import type { Judging } from '../platform/temporal/judging.ts';
import type { ReadWorkflowState, WorkflowState } from '../platform/temporal/workflow-state.ts';
import { withHeartbeat } from './heartbeat.ts';

/** Past every deadline of an execution, the grace of its token, all tries to write its end, and what clocks may differ by. */
const EXECUTION_AGE_MS = START_WITHIN_MS + MAX_TIMEOUT_MS + 10 * 60 * 1000;
/** Longer than any write takes: a request has five minutes, an activity thirty. */
const OBJECT_AGE_MS = 60 * 60 * 1000;
/** Longer than an upload that comes in parts may take, which is a day. */
const UNFINISHED_UPLOAD_AGE_MS = 26 * 60 * 60 * 1000;
const OBJECTS_AT_ONCE = 500;
/** Longer than any activity of a terminated workflow can still be at work. */
const QUIET_MS = 10 * 60 * 1000;

export interface SweepDeps {
  apiKeys: ApiKeySweepStore;
  executions: ExecutionSweepStore;
  drafts: DraftSweepStore;
  uploads: UploadSweepStore;
  installs: InstallSweepStore;
  versions: VersionSweepStore;
  trust: Pick<TrustStore, 'overview'>;
  judging: Judging;
  records: StorageSweepStore;
  purges: Pick<PurgeStore, 'listOverdue'>;
  /** Starts the purge of an install that has none. */
  startPurge: (install: DuePurge) => Promise<void>;
  objects: Pick<ObjectStore, 'list' | 'remove' | 'removeUnfinished'>;
  keys: Pick<ObjectKeys, 'prefixes' | 'uploadOf' | 'contentOf' | 'content'>;
  workflowState: ReadWorkflowState;
}

export interface SweepInput {
  /** Counts and changes nothing. */
  dryRun: boolean;
}

export interface SweepResult {
  /** Rows or objects that were left, or work that was begun anew; of a dry run, what would be. */
  count: number;
}

export type SweepActivities = ReturnType<typeof createSweepActivities>;

/** What nobody else ends or removes any more. Each may run at any time, also beside itself. */
export function createSweepActivities(deps: SweepDeps) {
  const { apiKeys, executions, drafts, uploads, installs, workflowState, objects, keys } = deps;

  return {
    /** Executions that are `running` past any deadline: their gateway was lost, or could not write their end. */
    async sweepExecutions({ dryRun }: SweepInput): Promise<SweepResult> {
      return withHeartbeat(async (signal) => {
        let count = 0;
        for (const slice of await executions.slices(EXECUTION_AGE_MS)) {
          signal.throwIfAborted();
          count += await (dryRun ? executions.count(slice) : executions.interrupt(slice));
          if (!dryRun) await executions.markDone(slice);
        }
        return { count };
      });
    },

    /** Drafts that expired, or whose install has ended. */
    async sweepDrafts({ dryRun }: SweepInput): Promise<SweepResult> {
      if (dryRun) return { count: await drafts.count() };
      return untilNone(() => drafts.clear());
    },

    /** Versions that installs served before and need not keep any longer. */
    async sweepVersions({ dryRun }: SweepInput): Promise<SweepResult> {
      if (dryRun) return { count: await deps.versions.count() };
      return untilNone(() => deps.versions.clear());
    },

    /** Uploads that expired without being finalized are ended; those that ended long ago are removed. */
    async sweepUploads({ dryRun }: SweepInput): Promise<SweepResult> {
      if (dryRun) return { count: (await uploads.countUnfinalized()) + (await uploads.countEnded()) };
      const message = 'the upload was not finalized before it expired; begin a new one';
      const error = { code: 'OPERATION_EXPIRED', message } as const;
      return untilNone(async () => (await uploads.endUnfinalized(error)) + (await uploads.removeEnded()));
    },

    /** API keys that were revoked or expired long ago. */
    async sweepApiKeys({ dryRun }: SweepInput): Promise<SweepResult> {
      if (dryRun) return { count: await apiKeys.count() };
      return untilNone(() => apiKeys.remove());
    },

    /** Records that installs keep for a time, which is over. */
    async sweepRecords({ dryRun }: SweepInput): Promise<SweepResult> {
      if (dryRun) return { count: await deps.records.count() };
      return untilNone(() => deps.records.remove());
    },

    /**
     * What is published and was not held against what is trusted, with no workflow under way that does it: the one that had to was
     * cancelled or lost. A key whose dates have passed is nothing to look for: they are held against when a signature came.
     */
    async sweepTrust({ dryRun }: SweepInput): Promise<SweepResult> {
      if (isJudged(await deps.trust.overview()) || (await deps.judging.isUnderWay())) return { count: 0 };
      if (!dryRun) await deps.judging.begin();
      return { count: 1 };
    },

    /** Publishes whose workflow is no more. */
    async sweepPublishes({ dryRun }: SweepInput): Promise<SweepResult> {
      return sweepQuiet(
        (after: QuietPublish | undefined) => uploads.listQuiet(QUIET_MS, after),
        ({ uploadId }) => [publishWorkflowId(uploadId)],
        (publish, error) => {
          if (dryRun) return Promise.resolve(true);
          const at = new Date().toISOString();
          const done = publish.steps.map((step) =>
            step.status === 'running' ? { ...step, status: 'done' as const, endedAt: at } : step,
          );
          const failed = stepsWhenLost(publish.steps, { error, at });
          return uploads.endQuiet(publish, { published: { steps: done }, failed: { steps: failed } }, error);
        },
        () => 'begin a new upload',
      );
    },

    /**
     * Installs whose purge was lost with its workflow: it begins anew. Then those on their way, or operated on, whose workflow is no more,
     * nor the one that waits for a person.
     */
    async sweepInstalls({ dryRun }: SweepInput): Promise<SweepResult> {
      const purges = await beginPurges(dryRun);
      const ended = await sweepQuiet(
        (after: QuietInstall | undefined) => installs.listQuiet(QUIET_MS, after),
        workflowsOfInstall,
        (install, error) => {
          if (dryRun) return Promise.resolve(true);
          const at = new Date().toISOString();
          const steps = stepsWhenLost(install.steps, { error, at, undone: UNDONE });
          if (isBeginning(install)) return installs.endQuiet(install, { steps, error });
          if (install.operation) return installs.endQuietOperation(install, { steps, error });
          return installs.endQuietWait(install, { steps, error });
        },
        (install) => (isBeginning(install) ? 'nothing of it stays, install it again' : 'ask for it again'),
      );
      return { count: purges + ended.count };
    },

    /** Bytes in staging that no upload waits for, what was promoted for publishes that came to nothing, and what writes left behind that were cut off. */
    async sweepObjects({ dryRun }: SweepInput): Promise<SweepResult> {
      return withHeartbeat(async (signal) => {
        const before = new Date(Date.now() - OBJECT_AGE_MS);
        let count = 0;
        const { staging, bundles } = keys.prefixes;
        const beforeUploads = new Date(Date.now() - UNFINISHED_UPLOAD_AGE_MS);
        count += await objects.removeUnfinished(staging, { before: beforeUploads, dryRun });
        count += await objects.removeUnfinished(bundles, { before, dryRun });
        for await (const found of inGroups(objects.list(keys.prefixes.staging), OBJECTS_AT_ONCE)) {
          signal.throwIfAborted();
          const old = found.filter(({ modifiedAt }) => modifiedAt < before);
          const staged = old.flatMap(({ key }) => {
            const upload = keys.uploadOf(key);
            return upload ? [{ key, ...upload }] : [];
          });
          const open = await uploads.stillOpen(staged);
          const left = staged.filter(({ uploadId }) => !open.has(uploadId));
          if (!dryRun) for (const { key } of left) await objects.remove(key);
          count += left.length;
        }
        return { count: count + (await removeUnclaimed(before, dryRun, signal)) };
      });
    },
  };

  /** Of contents that no version has; nothing of one that somebody wrote to of late. */
  async function removeUnclaimed(before: Date, dryRun: boolean, signal: AbortSignal): Promise<number> {
    let count = 0;
    for await (const found of inGroups(objects.list(keys.prefixes.bundles), OBJECTS_AT_ONCE)) {
      const contents = new Set(found.flatMap(({ key }) => keys.contentOf(key) ?? []));
      for (const contentHash of await uploads.unclaimed([...contents])) {
        signal.throwIfAborted();
        const stored = await all(objects.list(keys.content(contentHash)));
        if (stored.some(({ modifiedAt }) => modifiedAt >= before)) continue;
        const remove = async (): Promise<void> => {
          for (const { key } of dryRun ? [] : stored) await objects.remove(key);
        };
        if (await uploads.whileUnclaimed(contentHash, remove)) count += stored.length;
      }
    }
    return count;
  }

  async function beginPurges(dryRun: boolean): Promise<number> {
    return withHeartbeat(async (signal) => {
      let count = 0;
      const list = (after?: DuePurge): Promise<DuePurge[]> => deps.purges.listOverdue(QUIET_MS, after);
      for (let page = await list(); page.length > 0; page = await list(page.at(-1))) {
        for (const install of page) {
          signal.throwIfAborted();
          if ((await workflowState(purgeWorkflowId(install.installId))) === 'running') continue;
          if (!dryRun) await deps.startPurge(install);
          count += 1;
        }
      }
      return count;
    });
  }

  async function sweepQuiet<Row>(
    list: (after: Row | undefined) => Promise<Row[]>,
    workflowsOf: (row: Row) => string[],
    end: (row: Row, error: FailureReason) => Promise<boolean>,
    advice: (row: Row) => string,
  ): Promise<SweepResult> {
    return withHeartbeat(async (signal) => {
      let count = 0;
      for (let page = await list(undefined); page.length > 0; page = await list(page.at(-1))) {
        for (const row of page) {
          signal.throwIfAborted();
          const states = await Promise.all(workflowsOf(row).map(workflowState));
          if (states.includes('running')) continue;
          const error = { code: 'OPERATION_LOST', message: `${whyLost(states)}; ${advice(row)}` } as const;
          if (await end(row, error)) count += 1;
        }
      }
      return { count };
    });
  }
}

/** Steps that leave something which is gone with a lost workflow. Opening an operation on an install that is there leaves nothing. */
const UNDONE: readonly string[] = ['open', 'consent', 'configure', 'activate', 'switch'];

/** Of one that never served nothing stays. */
function isBeginning({ status }: QuietInstall): boolean {
  return status === 'installing' || status === 'awaiting-consent' || status === 'awaiting-settings';
}

function workflowsOfInstall(install: QuietInstall): string[] {
  const { tenantId, extensionId, installId, versionId, waitingFor, operation } = install;
  if (!isBeginning(install) && operation) return [operation.workflowId];
  const own = installWorkflowId(tenantId, extensionId);
  if (waitingFor === null || versionId === null) return [own];
  const wait = waitingFor === 'consent' ? consentWorkflowId : settingsWorkflowId;
  return [own, wait(installId, versionId)];
}

function whyLost(states: readonly WorkflowState[]): string {
  return states.includes('terminated') ? 'an operator terminated its workflow' : 'its workflow is gone';
}

async function untilNone(some: () => Promise<number>): Promise<SweepResult> {
  return withHeartbeat(async (signal) => {
    let count = 0;
    for (let changed = await some(); changed > 0; changed = await some()) {
      signal.throwIfAborted();
      count += changed;
    }
    return { count };
  });
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function* inGroups<Item>(items: AsyncIterable<Item>, size: number): AsyncGenerator<Item[]> {
  let group: Item[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
