import { loadGatewayConfig } from '../platform/config/gateway.ts';
import { createLogger } from '../platform/logger.ts';
import { createGateway } from './create-gateway.ts';

const config = loadGatewayConfig(process.env);
const logger = createLogger({ level: config.logLevel, process: 'gateway' });
const gateway = createGateway(config, logger);

const port = await gateway.listen();
logger.info({ host: config.host, port }, 'gateway listens');

const signal = await new Promise<string>((resolve) => {
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, resolve);
});
logger.info({ signal }, 'gateway drains');
await gateway.close();
logger.info('gateway stopped');
