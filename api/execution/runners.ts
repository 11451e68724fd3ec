import type { SecretValue } from '../../core/secret-value.ts';
import type { Logger } from '../../platform/logger.ts';
import { createAnnouncements, type Announcements } from './announcements.ts';
import { createRunnerClient, type RunnerClient } from './runner-client.ts';

/** A runner, its address as requests are sealed for it, and what it may be sent. */
export interface Runner {
  client: Pick<RunnerClient, 'execute' | 'warm'>;
  audience: string;
  announcements: Announcements;
}

/** The one place that knows which runners there are. */
export interface Runners {
  /** The runner for a tenant's executions of a bundle. */
  pick(tenantId: string, contentHash: string): Runner;
  close(): Promise<void>;
}

/** One runner, for everything. */
export function createSingleRunner(
  config: { baseUrl: string; serviceToken: SecretValue },
  logger: Logger,
): Runners {
  const client = createRunnerClient(config);
  const announcements = createAnnouncements({
    ask: () => client.announcement(),
    logger,
    now: () => performance.now(),
  });
  const runner = { client, audience: config.baseUrl, announcements };
  return { pick: () => runner, close: () => client.close() };
}
