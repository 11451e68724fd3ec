import { migrations } from '../migrations/index.ts';
import { loadWorkerConfig, type LifecycleWorkerConfig } from '../platform/config/worker.ts';
import { awaitSchema } from '../platform/db/await-schema.ts';
import { createLogger } from '../platform/logger.ts';
import { logTemporalTo } from '../platform/temporal/logger.ts';
import { createHealthServer } from './health.ts';

const config = loadWorkerConfig(process.env);
const logger = createLogger({
  level: config.logLevel,
  format: config.logFormat,
  process: `${config.kind}-worker`,
});

if (config.kind === 'precompile' || (await schemaReady(config))) {
  logTemporalTo(logger); // its runtime also shuts the worker down on SIGINT and SIGTERM
  // Each kind has its own files: a container image holds those of one.
  const worker = await (config.kind === 'lifecycle'
    ? (await import('./lifecycle-worker.ts')).createLifecycleWorker(config, logger)
    : (await import('./precompile-worker.ts')).createPrecompileWorker(config));
  const health = config.health && createHealthServer(() => worker.polls());
  if (config.health) await health?.listen(config.health);
  await worker.run();
  await health?.close(0);
  await worker.close();
}
logger.info('worker stopped');

/** Temporal's runtime listens to signals only once there is a worker. */
async function schemaReady({ database }: LifecycleWorkerConfig): Promise<boolean> {
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  const signals = ['SIGTERM', 'SIGINT'] as const;
  for (const name of signals) process.once(name, abort);
  try {
    return await awaitSchema({
      database,
      needed: Object.keys(migrations),
      logger,
      signal: stop.signal,
    });
  } finally {
    for (const name of signals) process.off(name, abort);
  }
}
