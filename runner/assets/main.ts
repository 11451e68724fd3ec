import { DEFAULT_BUNDLE_LIMITS } from '../../core/tar/limits.ts';
import { createHttpServer } from '../../platform/http/http-server.ts';
import { createLogger } from '../../platform/logger.ts';
import { createObjectStore } from '../../platform/objects/create-object-store.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import type { CacheTier } from '../cache/count-lookup.ts';
import { openDiskCache } from '../cache/disk-cache.ts';
import { createGatewayClient } from '../gateway-client.ts';
import { createUiFiles } from './ui-files.ts';
import { received, type FromUiProcess, type ToUiProcess } from './ui-process-messages.ts';
import { createUiListener } from './ui-server.ts';

// The public listener, in a process of its own (docs/decisions/0049-ui-assets.md). Started by the runner, which tells it everything; ends with it.

const REPORT_MS = 1_000;

const tell = (message: FromUiProcess): void => void process.send?.(message);
// Whoever tells the whole group to stop: the runner drains first, and then stops this.
for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => undefined);
process.once('disconnect', () => process.exit());
const first = await new Promise<ToUiProcess>((resolve) => process.once('message', resolve));
if (!('start' in first)) process.exit(); // asked to end before it began
const config = received(first.start);

const logger = createLogger({ level: config.logLevel, format: config.logFormat, process: 'runner-ui' });
const gateway = createGatewayClient(config.gateway, logger);
let lookups: Partial<Record<CacheTier, number>> = {};
const countLookup = (_cache: string, tier: CacheTier): void =>
  void (lookups[tier] = (lookups[tier] ?? 0) + 1);
setInterval(() => {
  if (Object.keys(lookups).length > 0) tell({ lookups });
  lookups = {};
}, REPORT_MS).unref();

const uiFiles = createUiFiles({
  objects: createObjectStore(config.objects),
  keys: createObjectKeys(config.objects.base),
  disk: await openDiskCache({ ...config.cache, logger }),
  listingKey: config.listingKey,
  bundleLimits: DEFAULT_BUNDLE_LIMITS,
  countLookup,
  logger,
  now: Date.now,
});
const server = createHttpServer(createUiListener({ gateway, uiFiles, countLookup, logger, now: Date.now }));
process.on('message', (message: ToUiProcess) => {
  if ('close' in message) void server.close(message.close).then(() => process.exit());
});
tell({ port: await server.listen(config.listen) });
