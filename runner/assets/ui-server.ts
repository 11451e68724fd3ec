import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { isPlatformError } from '../../core/errors.ts';
import { contentHashHex, isContentHash, isUuid } from '../../core/ids.ts';
import type { Logger } from '../../platform/logger.ts';
import type { UiFiles } from '../cache/ui-files.ts';
import type { GatewayClient } from '../gateway-client.ts';
import { networkOf } from './allowance.ts';
import { createHeldRefusals } from './held-refusals.ts';
import { createServedUis } from './served-uis.ts';
import { contentSecurityPolicy, mediaHeaders, UI_SECURITY_HEADERS } from './ui-headers.ts';

const IMMUTABLE = 'public, max-age=31536000, immutable';

const CONDITIONS = [
  'range',
  'if-range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
];

export interface UiAppDeps {
  gateway: Pick<GatewayClient, 'uiInstall'>;
  uiFiles: UiFiles;
  logger: Logger;
  now: () => number;
}

/** The public listener: files of extensions' UIs, and nothing that is anybody's secret. */
export function createUiApp({ gateway, uiFiles, logger, now }: UiAppDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  const findUi = createServedUis({ gateway, now });
  const holdRefusal = createHeldRefusals();

  app.use((req, res, next) => {
    res.set(UI_SECURITY_HEADERS);
    if (req.method === 'GET' || req.method === 'HEAD') next();
    else refuse(res.set('allow', 'GET, HEAD'), 405);
  });

  app.get('/ext-ui/:extensionId/:contentHash{/*path}', async (req, res, next) => {
    const { extensionId, contentHash, path } = req.params;
    if (!isUuid(extensionId) || !isContentHash(contentHash)) {
      refuse(res, 404);
      return;
    }
    const install = await findUi(extensionId, contentHash, networkOf(req.socket.remoteAddress ?? ''));
    if (typeof install === 'number') {
      if (install !== 404) await holdRefusal(closing(res));
      refuse(res, install);
      return;
    }
    const asked = (path ?? []).join('/');
    const file = asked === '' ? install.entry : asked;
    const headers = {
      ...mediaHeaders(file),
      'content-security-policy': contentSecurityPolicy(install.csp),
      'cache-control': IMMUTABLE,
      // Bytes at a URL never change, because the URL holds their hash: strong, and known without reading the file.
      etag: `"${contentHashHex(contentHash)}"`,
    };
    const bytes =
      isForTheWhole(req) && !isHidden(file) ? await uiFiles.uiBytes(contentHash, file) : undefined;
    if (bytes) {
      res.set({ ...headers, 'accept-ranges': 'bytes', 'content-length': String(bytes.byteLength) });
      res.end(req.method === 'HEAD' ? undefined : bytes);
      return;
    }
    const root = await uiFiles.uiRoot(contentHash, file);
    if (root === undefined) {
      refuse(res, 404);
      return;
    }
    // `send` keeps the path inside the root and does ranges, HEAD and conditions.
    res.sendFile(
      file,
      { root, dotfiles: 'ignore', cacheControl: false, lastModified: false, headers },
      (err) => {
        if (err) next(err);
      },
    );
  });

  app.use((_req: Request, res: Response) => refuse(res, 404));
  app.use((err: unknown, _req: Request, res: Response, next: NextFunction) => {
    if (res.headersSent) {
      next(err); // Express cuts the connection: the answer cannot be taken back
      return;
    }
    const status = statusOf(err);
    const isBusy = isPlatformError(err) && err.code === 'RUNNER_BUSY'; // as often as strangers like
    if (status >= 500 && !isBusy) logger.error({ err }, 'UI file could not be served');
    refuse(res, status);
  });
  return app;
}

/** `send` shows no such file either. */
function isHidden(file: string): boolean {
  return file.split('/').some((name) => name.startsWith('.'));
}

/** Neither for a part nor under a condition. */
function isForTheWhole({ headers }: Request): boolean {
  return CONDITIONS.every((name) => headers[name] === undefined);
}

function refuse(res: Response, status: number): void {
  for (const name of ['etag', 'content-disposition', 'content-security-policy']) res.removeHeader(name);
  if (status === 429 || status === 503) res.set('retry-after', '1');
  res.status(status).set('cache-control', 'no-store').type('text/plain');
  res.send(status === 404 ? 'not found' : status === 416 ? 'range not satisfiable' : `error ${status}`);
}

function closing(res: Response): AbortSignal {
  const closed = new AbortController();
  res.once('close', () => closed.abort());
  return closed.signal;
}

/** `send` and Express put the status on their errors; what `send` will not show is as good as none. */
function statusOf(err: unknown): number {
  if (isPlatformError(err)) {
    if (err.code === 'BUNDLE_UNAVAILABLE') return 404;
    return err.kind === 'unavailable' ? 503 : 500;
  }
  const { status, code } = err as { status?: unknown; code?: unknown };
  if (code === 'ENOENT') return 503; // it was there: it had to make room, or is being unpacked anew
  if (status === 416 || status === 412) return status;
  return typeof status === 'number' && status >= 400 && status < 500 ? 404 : 500;
}
