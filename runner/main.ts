import { loadRunnerConfig } from '../platform/config/runner.ts';
import { createLogger } from '../platform/logger.ts';
import { createObjectStore } from '../platform/objects/create-object-store.ts';
import { openDiskCache } from './cache/disk-cache.ts';
import { createGatewayClient } from './gateway-client.ts';
import { createRunner } from './runner.ts';
import { standingWalls } from './sandbox/walls.ts';

const config = loadRunnerConfig(process.env);

const logger = createLogger({ level: config.logLevel, process: 'runner' });

const objects = createObjectStore(config.objects);
const gateway = createGatewayClient(config.gateway, logger);
const disk = await openDiskCache({ ...config.cache, logger });

const runner = createRunner({ config, objects, gateway, disk, logger });

const ports = await runner.start();
logger.info({ ...ports, objects: objects.describe(), walls: standingWalls() }, 'runner listens');

const signal = await new Promise<string>((resolve) => {
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, resolve);
});
logger.info({ signal }, 'runner drains');
await runner.close();
await gateway.close();
logger.info('runner stopped');
