import { generateKeyPairSync } from 'node:crypto';
import { createExecutionTokens } from '../../api/execution/execution-tokens.ts';
import { createExecutor, type Executor } from '../../api/execution/executor.ts';
import type { Announcements } from '../../api/execution/announcements.ts';
import type { RunnerAnswer, RunnerClient } from '../../api/execution/runner-client.ts';
import type { Runner } from '../../api/execution/runners.ts';
import { runnerAnnouncement, type ExecuteRequest } from '../../core/execute.ts';
import { createLogger } from '../../platform/logger.ts';

/** Signs its tokens. */
export const { privateKey } = generateKeyPairSync('ed25519');
const metrics = { duration_ms: 1, cpu_ms: 1, fuel: 0, memory_bytes: 1, egress_bytes: 0 };
export const fine: RunnerAnswer = {
  answer: { status: 200, headers: {}, metrics },
  body: Buffer.from('hello'),
};

export const ANNOUNCED = runnerAnnouncement.parse({});

interface Sent {
  runner: string;
  token: string;
  sealEpoch: string | undefined;
  request: ExecuteRequest;
}

/** An executor whose runners are functions: one for each tenant, and `others` beside it. */
export function executorWith(
  answer: (runner: string, request: ExecuteRequest) => Promise<RunnerAnswer> = () => Promise.resolve(fine),
  announcements: Announcements = { current: () => ANNOUNCED, renewed: () => Promise.resolve(ANNOUNCED) },
  tenantConcurrency = 32,
  installConcurrency = tenantConcurrency,
  others: readonly string[] = [],
): {
  executor: Executor;
  sent: Sent[];
  /** What each execution's row says. */
  rows: Map<string, string | undefined>;
} {
  const sent: Sent[] = [];
  const rows = new Map<string, string | undefined>();
  const clientOf = (runner: string): Pick<RunnerClient, 'execute' | 'warm'> => ({
    execute: (request, _body, { token, sealEpoch }) => {
      sent.push({ runner, token, sealEpoch, request });
      return answer(runner, request);
    },
    warm: () => Promise.resolve(),
  });
  const known = new Map<string, Runner>();
  const runnerOf = (name: string): Runner => {
    const failedWith = (): void => undefined;
    const runner = known.get(name) ?? {
      ...{ client: clientOf(name), audience: `http://${name}`, announcements, failedWith },
    };
    known.set(name, runner);
    return runner;
  };
  const executor = createExecutor({
    executions: {
      begin: (_tenantId, { executionId }) => Promise.resolve(void rows.set(executionId, 'running')),
      end: (_tenantId, executionId, { errorCode }) =>
        Promise.resolve(void rows.set(executionId, errorCode ?? 'succeeded')),
    },
    runners: {
      pick: (tenantId, _hash, spent) =>
        [tenantId, ...others].map(runnerOf).find((runner) => spent?.has(runner) !== true),
    },
    executionTokens: createExecutionTokens(privateKey),
    secretsKeyId: 'now',
    tenantConcurrency,
    installConcurrency,
    logger: createLogger({ level: 'silent', process: 'gateway' }),
  });
  return { executor, sent, rows };
}
