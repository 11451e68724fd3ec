import { extname } from 'node:path';
import type { IncomingHttpHeaders } from 'node:http';
import { isUuid } from '../../core/ids.ts';

/** `/ext-ui/{extensionId}/{content hash}/{path…}`, the colon of the hash as it is or escaped. */
const PATH = /^\/ext-ui\/([0-9a-f-]{36})\/sha256(?::|%3[Aa])([0-9a-f]{64})(?:\/([^?]*))?(?:\?.*)?$/s;
const PAGES = new Set(['', '.html']);

export interface UiRequest {
  extensionId: string;
  contentHash: string;
  /** Below `ui/`; empty for the entry. */
  file: string;
}

/** Undefined for what can be no file of a UI. `url` is the target of a request, as it came. */
export function readUiRequest(url: string): UiRequest | undefined {
  const [, extensionId = '', hex = '', path = ''] = PATH.exec(url) ?? [];
  if (!isUuid(extensionId)) return undefined;
  let file = path;
  if (path.includes('%')) {
    try {
      file = decodeURIComponent(path);
    } catch {
      return undefined;
    }
  }
  // Names that begin with a dot are never served.
  if (file.startsWith('.') || file.includes('/.')) return undefined;
  return { extensionId, contentHash: `sha256:${hex}`, file };
}

/**
 * Whether a browser asks for a page to show, which a UI with routes of its own answers with its entry; never a script, a style or an
 * image that is missing, which must be found out.
 */
export function isNavigation(headers: IncomingHttpHeaders, file: string): boolean {
  const mode = headers['sec-fetch-mode'];
  if (mode !== undefined && mode !== 'navigate') return false;
  return (
    PAGES.has(extname(file).toLowerCase()) && /(?:^|,)\s*text\/html\s*(?:[;,]|$)/i.test(headers.accept ?? '')
  );
}
