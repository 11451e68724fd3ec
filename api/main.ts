import { migrations } from '../migrations/index.ts';
import { loadGatewayConfig } from '../platform/config/gateway.ts';
import { awaitSchema } from '../platform/db/await-schema.ts';
import { createLogger } from '../platform/logger.ts';
import { createGateway } from './create-gateway.ts';

const config = loadGatewayConfig(process.env);
const logger = createLogger({ level: config.logLevel, format: config.logFormat, process: 'gateway' });

const stop = new AbortController();
const stopAsked = new Promise<string>((resolve) => {
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, resolve);
});
void stopAsked.then(() => stop.abort());

const { database } = config;
if (await awaitSchema({ database, needed: Object.keys(migrations), logger, signal: stop.signal })) {
  const gateway = createGateway(config, logger);
  const ports = await gateway.listen();
  logger.info({ host: config.host, internalHost: config.internal.host, ...ports }, 'gateway listens');

  logger.info({ signal: await stopAsked }, 'gateway drains');
  await gateway.close();
}
logger.info('gateway stopped');
