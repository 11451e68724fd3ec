import type { ErrorCode, Issue } from './errors.ts';

/** Steps of a publish, in order. */
export const PUBLISH_STEPS = ['verify', 'promote', 'precompile', 'register'] as const;
export type PublishStepName = (typeof PUBLISH_STEPS)[number];

/** Steps of an install, in order. */
export const INSTALL_STEPS = ['open', 'consent', 'configure', 'warm', 'probe', 'activate'] as const;
export type InstallStepName = (typeof INSTALL_STEPS)[number];

/** Steps of the operations on an install that is there, in order. */
export const OPERATION_STEPS = {
  enable: ['open', 'warm', 'probe', 'enable'],
  disable: ['disable', 'cancel', 'drain'],
  pause: ['pause'],
  resume: ['resume'],
  uninstall: ['stop', 'cancel', 'drain', 'uninstall'],
  restore: ['restore', 'warm', 'probe', 'enable'],
} as const;
/** What an admin can have done to an install that is there. */
export type LifecycleKind = keyof typeof OPERATION_STEPS;

/** Steps of what puts another version in the place of the one that serves, in order. */
export const VERSION_STEPS = {
  upgrade: ['open', 'consent', 'configure', 'warm', 'probe', 'switch', 'verify', 'finish'],
  rollback: ['open', 'warm', 'probe', 'switch', 'verify', 'finish'],
} as const;
export type VersionChangeKind = keyof typeof VERSION_STEPS;

export type OperationStepName =
  (typeof OPERATION_STEPS)[LifecycleKind][number] | (typeof VERSION_STEPS)[VersionChangeKind][number];

export const PUBLISH_STATUSES = [
  'uploading',
  'verifying',
  'precompiling',
  'registering',
  'published',
  'rejected', // the bundle is at fault: a check failed, the publisher is another's, or the version exists
  'aborted', // by the publisher, before finalize
  'failed', // the platform is at fault
] as const;
export type PublishStatus = (typeof PUBLISH_STATUSES)[number];
export const PUBLISH_ENDED: readonly PublishStatus[] = ['published', 'rejected', 'aborted', 'failed'];

/** `quarantined`: it was published and is not trusted any more, which may pass. `revoked`: an operator took it back for good. */
export const VERSION_STATUSES = ['published', 'quarantined', 'revoked'] as const;
export type VersionStatus = (typeof VERSION_STATUSES)[number];

export const INSTALL_STATUSES = [
  'installing',
  'awaiting-consent',
  'awaiting-settings',
  'declined',
  'active',
  'disabled',
  'paused',
  'quarantined',
  'failed',
  'uninstalling',
  'uninstalled',
] as const;
export type InstallStatus = (typeof INSTALL_STATUSES)[number];
/** Statuses in which nothing is on its way, as long as no operation runs: it serves, is held back, has ended or waits for a person. */
export const INSTALL_SETTLED: readonly InstallStatus[] = [
  'awaiting-consent',
  'awaiting-settings',
  'declined',
  'active',
  'disabled',
  'paused',
  'quarantined',
  'failed',
  'uninstalled',
];

/** Statuses of an install that has ended: the tenant may install the extension anew, as another install. */
export const INSTALL_ENDED = [
  'failed',
  'declined',
  'uninstalled',
] as const satisfies readonly InstallStatus[];

/** What can run on an install; one at a time, under its workflow id. What ends others has an id of its own. */
export type InstallOperationKind = 'install' | 'configure' | 'narrow' | LifecycleKind | VersionChangeKind;

/** What runs on an install, as its row and its routes show it beside `status`, which says what is served. */
export interface InstallOperation {
  kind: InstallOperationKind;
  workflowId: string;
  /** The one run of it that may write to the row. */
  runId: string;
  /** RFC 3339 UTC. */
  startedAt: string;
}

/** A version on its way to being active. */
export interface PendingVersion {
  versionId: string;
  version: string;
  /** Whom or what it waits for; absent while an operation brings it to life. */
  waitingFor?: 'consent' | 'settings';
}

export type StepStatus = 'pending' | 'running' | 'done' | 'failed' | 'undone';

/** What a person is shown of a failure: a code and a sentence, never a stack. */
export interface FailureReason {
  code: ErrorCode;
  message: string;
}

/** One step as queries, rows and routes show it. Times are RFC 3339 UTC. */
export interface Step<Name extends string = string> {
  name: Name;
  status: StepStatus;
  /** Attempts of the step's activities so far, the running one included. */
  attempts: number;
  startedAt?: string;
  endedAt?: string;
  error?: FailureReason;
}

/** One verification check. A failed `required` one rejects the bundle; a failed optional one is advice. */
export interface Check {
  name: string;
  result: 'passed' | 'failed' | 'skipped';
  required: boolean;
  detail?: string;
  /** What is at fault, one by one: of many the first. */
  issues?: readonly Issue[];
}

export function pendingSteps<Name extends string>(names: readonly Name[]): Step<Name>[] {
  return names.map((name) => ({ name, status: 'pending', attempts: 0 }));
}

/** Steps as they are shown while an attempt at the one that runs is under way. */
export function stepsAtAttempt<Name extends string>(
  steps: readonly Step<Name>[],
  attempt: number,
): Step<Name>[] {
  return steps.map((step) =>
    step.status === 'running' ? { ...step, attempts: Math.max(step.attempts, attempt) } : step,
  );
}

/** Steps as they are shown once one of them has begun. */
export function stepsWhenBegun<Name extends string>(
  steps: readonly Step<Name>[],
  name: Name,
  at: string,
): Step<Name>[] {
  return steps.map((step) => (step.name === name ? { ...step, status: 'running', startedAt: at } : step));
}

/** The same once it has ended well. */
export function stepsWhenDone<Name extends string>(steps: readonly Step<Name>[], at: string): Step<Name>[] {
  return steps.map((step) => (step.status === 'running' ? { ...step, status: 'done', endedAt: at } : step));
}

/**
 * Steps as they are shown once the workflow that ran them is lost: what ran has failed for that reason, and what had been done of
 * `undone` is gone again.
 */
export function stepsWhenLost<Name extends string>(
  steps: readonly Step<Name>[],
  { error, at, undone = [] }: { error: FailureReason; at: string; undone?: readonly Name[] },
): Step<Name>[] {
  return steps.map((step) => {
    if (step.status === 'running') return { ...step, status: 'failed', endedAt: at, error };
    return step.status === 'done' && undone.includes(step.name) ? { ...step, status: 'undone' } : step;
  });
}
