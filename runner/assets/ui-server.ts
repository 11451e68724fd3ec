import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { UiInstall } from '../../core/api/internal.ts';
import { isPlatformError } from '../../core/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import type { CountLookup } from '../cache/count-lookup.ts';
import type { GatewayClient } from '../gateway-client.ts';
import { networkOf } from './allowance.ts';
import type { Coding } from './encodings.ts';
import { createHeldRefusals } from './held-refusals.ts';
import { createKeptAssets, type Asset, type Form } from './kept-assets.ts';
import { acceptedCodings, wishOf } from './negotiation.ts';
import { createServedUis, type Refusal } from './served-uis.ts';
import type { UiFiles } from './ui-files.ts';
import { answerHeaders, FALLBACK_VARY, UI_SECURITY_HEADERS } from './ui-headers.ts';
import { isNavigation, readUiRequest, type UiRequest } from './ui-request.ts';

const REFUSALS: Readonly<Record<number, string>> = {
  404: 'not found',
  405: 'method not allowed',
  412: 'precondition failed',
  416: 'range not satisfiable',
};

export interface UiListenerDeps {
  gateway: Pick<GatewayClient, 'uiInstall'>;
  uiFiles: UiFiles;
  countLookup: CountLookup;
  logger: Logger;
  now: () => number;
}

/** What is sent: a form of an asset, for a UI. */
interface Chosen {
  asset: Asset;
  coding: Coding;
  form: Form;
  ui: UiInstall;
  /** Instead of a file that is not there. */
  isFallback: boolean;
}

/** The public listener: files of extensions' UIs, and nothing that is anybody's secret. */
export function createUiListener({
  gateway,
  uiFiles,
  countLookup,
  logger,
  now,
}: UiListenerDeps): RequestListener {
  const findUi = createServedUis({ gateway, now });
  const holdRefusal = createHeldRefusals();
  const kept = createKeptAssets();

  async function assetOf(contentHash: string, file: string): Promise<Asset | undefined> {
    const key = `${contentHash}/${file}`;
    const known = kept.get(key);
    if (known !== undefined) {
      countLookup('ui', 'memory');
      return known;
    }
    const digests = await uiFiles.forms(contentHash, file);
    if (digests === undefined) return undefined;
    const forms = new Map<Coding, Form>();
    for (const [coding, sha256] of digests) forms.set(coding, { etag: `"${sha256}"` });
    const asset = { file, forms };
    kept.keep(key, asset);
    return asset;
  }

  async function serve(req: IncomingMessage, res: ServerResponse, asked: UiRequest): Promise<void> {
    const { extensionId, contentHash } = asked;
    const ui = await findUi(extensionId, contentHash, networkOf(req.socket.remoteAddress ?? ''));
    if (typeof ui === 'number') {
      await sayNo(res, ui);
      return;
    }
    const file = asked.file === '' ? ui.entry : asked.file;
    let asset = await assetOf(contentHash, file);
    const isFallback = asset === undefined && isNavigation(req.headers, file);
    if (isFallback) asset = await assetOf(contentHash, ui.entry);
    if (asset === undefined) {
      refuse(res, 404);
      return;
    }
    const chosen = { ...choose(req, asset), asset, ui, isFallback };
    const { form, coding } = chosen;
    if (form.bytes === undefined) {
      const bytes = await uiFiles.bytes(contentHash, asset.file, coding);
      if (bytes === undefined) {
        await sendFromDisk(req, res, chosen, await uiFiles.path(contentHash, asset.file, coding));
        return;
      }
      form.bytes = bytes;
      kept.keep(`${contentHash}/${asset.file}`, asset);
    }
    send(req, res, chosen, form.bytes);
  }

  async function sayNo(res: ServerResponse, refusal: Refusal): Promise<void> {
    if (refusal !== 404) await holdRefusal(closing(res));
    refuse(res, refusal);
  }

  function fail(res: ServerResponse, err: unknown): void {
    if (res.headersSent) {
      res.destroy(); // the answer cannot be taken back
      return;
    }
    const status = statusOf(err);
    const isBusy = isPlatformError(err) && err.code === 'RUNNER_BUSY'; // as often as strangers like
    if (status >= 500 && !isBusy) logger.error({ err }, 'UI file could not be served');
    refuse(res, status);
  }

  return (req, res) => {
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      refuse(res.setHeader('allow', 'GET, HEAD'), 405);
      return;
    }
    const asked = readUiRequest(req.url ?? '');
    if (asked === undefined) {
      refuse(res, 404);
      return;
    }
    // What is known and in memory is answered here and now, without a promise.
    const ui = findUi.known(asked.extensionId, asked.contentHash);
    if (typeof ui === 'object') {
      const asset = kept.get(`${asked.contentHash}/${asked.file === '' ? ui.entry : asked.file}`);
      if (asset !== undefined) {
        const { coding, form } = choose(req, asset);
        if (form.bytes !== undefined) {
          countLookup('ui', 'memory');
          send(req, res, { asset, coding, form, ui, isFallback: false }, form.bytes);
          return;
        }
      }
    }
    serve(req, res, asked).catch((err: unknown) => fail(res, err));
  };
}

function choose(req: IncomingMessage, { forms }: Asset): { coding: Coding; form: Form } {
  for (const coding of acceptedCodings(req.headers['accept-encoding'])) {
    const form = forms.get(coding);
    if (form !== undefined) return { coding, form };
  }
  const coding = 'identity';
  return { coding, form: forms.get(coding) as Form }; // every asset has it
}

/** Writes a whole file or a part of it that is in memory. */
function send(req: IncomingMessage, res: ServerResponse, chosen: Chosen, bytes: Uint8Array): void {
  const range = writeHead(req, res, chosen, bytes.byteLength);
  if (range === undefined) return;
  if (req.method === 'HEAD') res.end();
  else if (range === 'whole') res.end(bytes);
  else res.end(bytes.subarray(range.start, range.end + 1));
}

async function sendFromDisk(
  req: IncomingMessage,
  res: ServerResponse,
  chosen: Chosen,
  path: string | undefined,
): Promise<void> {
  if (path === undefined) {
    refuse(res, 404);
    return;
  }
  const { size } = await stat(path);
  const range = writeHead(req, res, chosen, size);
  if (range === undefined) return;
  if (req.method === 'HEAD') res.end();
  else await pipeline(createReadStream(path, range === 'whole' ? {} : range), res);
}

/** Answers what of the bytes is to follow; undefined if the answer is complete without any. */
function writeHead(
  { headers }: IncomingMessage,
  res: ServerResponse,
  { asset, coding, form, ui, isFallback }: Chosen,
  size: number,
): 'whole' | { start: number; end: number } | undefined {
  const wish = wishOf(headers, { etag: form.etag, size });
  if (wish === 'failed') {
    refuse(res, 412);
    return undefined;
  }
  if (wish === 'unsatisfiable') {
    refuse(res.setHeader('content-range', `bytes */${size}`), 416);
    return undefined;
  }
  const head = headOf({ asset, coding, form, ui }, size);
  const more = isFallback ? ['vary', FALLBACK_VARY] : [];
  if (wish === 'not-modified') {
    res.writeHead(304, [...head.common, ...more]).end();
    return undefined;
  }
  if (wish === 'whole') {
    res.writeHead(200, isFallback ? [...head.whole, ...more] : head.whole);
    return wish;
  }
  const { start, end } = wish;
  more.push('content-length', String(end - start + 1), 'content-range', `bytes ${start}-${end}/${size}`);
  res.writeHead(206, [...head.common, ...more]);
  return wish;
}

/** Made once for a form and the UI as the gateway last described it. */
function headOf(
  { asset: { file, forms }, coding, form, ui }: Omit<Chosen, 'isFallback'>,
  size: number,
): NonNullable<Form['head']> {
  if (form.head?.ui === ui) return form.head;
  const common = answerHeaders({ file, ui, coding, etag: form.etag, varies: forms.size > 1 });
  form.head = { ui, common, whole: [...common, 'content-length', String(size)] };
  return form.head;
}

function refuse(res: ServerResponse, status: number): void {
  const headers = [
    ...UI_SECURITY_HEADERS,
    'cache-control',
    'no-store',
    'content-type',
    'text/plain; charset=utf-8',
  ];
  if (status === 429 || status === 503) headers.push('retry-after', '1');
  const text = REFUSALS[status] ?? `error ${status}`;
  headers.push('content-length', String(text.length));
  res.writeHead(status, headers).end(text);
}

function closing(res: ServerResponse): AbortSignal {
  const closed = new AbortController();
  res.once('close', () => closed.abort());
  return closed.signal;
}

function statusOf(err: unknown): number {
  if (isPlatformError(err)) {
    if (err.code === 'BUNDLE_UNAVAILABLE') return 404;
    return err.kind === 'unavailable' ? 503 : 500;
  }
  // It was there: it had to make room, or is being unpacked anew.
  return (err as { code?: unknown }).code === 'ENOENT' ? 503 : 500;
}
