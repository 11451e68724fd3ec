import type { SecretValue } from '../../core/secret-value.ts';
import { createRunnerClient, type RunnerClient } from './runner-client.ts';

/** A runner, and the audience that tokens for it name. */
export interface Runner {
  client: Pick<RunnerClient, 'execute' | 'warm'>;
  audience: string;
}

/** The one place that knows which runners there are. */
export interface Runners {
  /** The runner for a tenant's executions of a bundle. */
  pick(tenantId: string, contentHash: string): Runner;
  close(): Promise<void>;
}

/** One runner, for everything. */
export function createSingleRunner(config: { baseUrl: string; serviceToken: SecretValue }): Runners {
  const client = createRunnerClient(config);
  const runner = { client, audience: config.baseUrl };
  return { pick: () => runner, close: () => client.close() };
}
