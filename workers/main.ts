import { loadWorkerConfig } from '../platform/config/worker.ts';
import { createLogger } from '../platform/logger.ts';
import { logTemporalTo } from '../platform/temporal/logger.ts';
import { createLifecycleWorker } from './lifecycle-worker.ts';
import { createPrecompileWorker } from './precompile-worker.ts';

const config = loadWorkerConfig(process.env);
const logger = createLogger({ level: config.logLevel, process: `${config.kind}-worker` });
logTemporalTo(logger); // its runtime also shuts the worker down on SIGINT and SIGTERM

const worker = await (config.kind === 'lifecycle'
  ? createLifecycleWorker(config)
  : createPrecompileWorker(config));
await worker.run();
await worker.close();
logger.info('worker stopped');
