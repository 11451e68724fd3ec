import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { request, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { UiInstall } from '../../core/api/internal.ts';
import { DEFAULT_BUNDLE_LIMITS } from '../../core/tar/limits.ts';
import { packTarZst } from '../../platform/bundle/pack.ts';
import { createHttpServer } from '../../platform/http/http-server.ts';
import { createLogger } from '../../platform/logger.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import { openDiskCache } from '../../runner/cache/disk-cache.ts';
import { createUiFiles } from '../../runner/assets/ui-files.ts';
import { createUiListener } from '../../runner/assets/ui-server.ts';

export const UI_EXTENSION = '00000000-0000-4000-8000-000000000003';
/** Of the bundle, unless a test says otherwise. */
export const UI_FILES: Record<string, string> = {
  'manifest.json': '{"secret":"not for browsers"}',
  'entry.wasm': 'wasm',
  'ui/index.html': '<!doctype html><title>hello</title>',
  'ui/app.js': 'export const a = 1;',
  'ui/sub/Größe 1%.css': 'body {}',
  'ui/.hidden': 'hidden',
  'ui/tool.exe': 'MZ',
  'ui/big.js': 'export const more = 1;\n'.repeat(500),
  'ui/huge.txt': 'many words, '.repeat(40_000),
};

const countLookup = (): void => undefined;
const logger = createLogger({ level: 'silent', process: 'runner' });
const cleanups: (() => Promise<void>)[] = [];

export async function closeUiListeners(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  bytes: Buffer;
  body: string;
}

interface Setup {
  install?: UiInstall | undefined;
  damage?: boolean;
  manifest?: object;
  /** Makes something in the runner's cache, as an earlier release left it. */
  cached?: (cache: string, hash: string) => Promise<void>;
}

export interface UiListenerField {
  hash: string;
  /** Questions to the gateway. */
  asked: string[];
  /** The folder of the cache. */
  cache: string;
  pass: (ms: number) => void;
  /** What the gateway says from now on. */
  answerWith: (next: UiInstall | undefined | Error) => void;
  get: (path: string, init?: RequestInit) => Promise<Response>;
  /** Of the UI, by the path below it. */
  ui: (path: string, init?: RequestInit) => Promise<Response>;
  /** The same without what fetch does to paths, to conditional requests and to encoded answers. */
  raw: (path: string, headers?: Record<string, string>, method?: string) => Promise<RawAnswer>;
}

/** The listener with one UI in its object store, and a gateway that names it; closed by `closeUiListeners`. */
export async function setUpUiListener(options: Setup = {}): Promise<UiListenerField> {
  const folder = await mkdtemp(join(tmpdir(), 'ui-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  const keys = createObjectKeys('sha256/');
  const files = {
    ...UI_FILES,
    ...(options.manifest && { 'manifest.json': JSON.stringify(options.manifest) }),
  };
  const entries = Object.entries(files).map(([path, content]) => ({ path, bytes: Buffer.from(content) }));
  const bundle = await packTarZst(entries, DEFAULT_BUNDLE_LIMITS);
  const hash = `sha256:${createHash('sha256')
    .update(bundle)
    .update(options.damage === true ? 'x' : '')
    .digest('hex')}`;
  const objects = {
    read: (key: string) =>
      Promise.resolve(
        key === keys.bundle(hash)
          ? { size: bundle.length, body: Readable.from([bundle.subarray(0, 100), bundle.subarray(100)]) }
          : undefined,
      ),
  };

  await options.cached?.(join(folder, 'cache'), hash);
  const disk = await openDiskCache({ folder: join(folder, 'cache'), maxBytes: 1 << 20, logger });
  const uiFiles = createUiFiles({
    objects,
    keys,
    disk,
    listingKey: Buffer.alloc(32),
    bundleLimits: DEFAULT_BUNDLE_LIMITS,
    logger,
    countLookup,
    now: () => Date.now() + 60_000,
  });
  let clock = 0;
  let answer: UiInstall | undefined | Error =
    'install' in options
      ? options.install
      : { entry: 'index.html', csp: { connectSrc: ['https://api.example'] } };
  const asked: string[] = [];
  const gateway = {
    uiInstall: (extensionId: string, contentHash: string) => {
      asked.push(`${extensionId} ${contentHash}`);
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
  const server = createHttpServer(
    createUiListener({ gateway, uiFiles, countLookup, logger, now: () => clock }),
  );
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  cleanups.push(() => server.close(0));

  return {
    hash,
    asked,
    cache: join(folder, 'cache'),
    pass: (ms) => {
      clock += ms;
    },
    answerWith: (next) => {
      answer = next;
    },
    get: (path, init = {}) => fetch(`http://127.0.0.1:${port}${path}`, init),
    ui: (path, init = {}) => fetch(`http://127.0.0.1:${port}/ext-ui/${UI_EXTENSION}/${hash}${path}`, init),
    raw: (path, headers = {}, method = 'GET') =>
      new Promise<RawAnswer>((resolve, reject) => {
        const sent = request(
          { port, host: '127.0.0.1', path: `/ext-ui/${UI_EXTENSION}/${hash}${path}`, headers, method },
          (res) => {
            const { statusCode: status = 0, headers } = res;
            buffer(res).then((bytes) => resolve({ status, headers, bytes, body: bytes.toString() }), reject);
          },
        );
        sent.on('error', reject).end();
      }),
  };
}
