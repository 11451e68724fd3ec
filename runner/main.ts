import { loadRunnerConfig } from '../platform/config/runner.ts';
import { createLogger } from '../platform/logger.ts';
import { createRunner } from './runner.ts';
import { createTurns } from './turns.ts';

const config = loadRunnerConfig(process.env);
const logger = createLogger({ level: config.logLevel, format: config.logFormat, process: 'runner' });

const turns = createTurns(config.takesTurns);
const runner = await createRunner(config, logger, () => turns.begin());
// From before it is called: what it has taken it finishes.
const stopped = new Promise<string>((resolve) => {
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, resolve);
});
logger.info(await runner.start(), 'runner listens');
logger.info({ signal: await stopped }, 'runner drains');
await turns.end();
await runner.close(() => turns.over());
logger.info('runner stopped');
