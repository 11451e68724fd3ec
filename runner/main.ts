import { loadRunnerConfig } from '../platform/config/runner.ts';
import { createLogger } from '../platform/logger.ts';
import { createRunner } from './runner.ts';

const config = loadRunnerConfig(process.env);
const logger = createLogger({ level: config.logLevel, format: config.logFormat, process: 'runner' });

const runner = await createRunner(config, logger);
logger.info(await runner.start(), 'runner listens');

const signal = await new Promise<string>((resolve) => {
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, resolve);
});
logger.info({ signal }, 'runner drains');
await runner.close();
logger.info('runner stopped');
