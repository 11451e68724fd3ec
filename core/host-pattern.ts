import { getPublicSuffix } from 'tldts-icann';
import { z } from 'zod';

/** Any host that is public, at the port of its scheme. Only an admin or an operator says so, never a manifest. */
export const ANY_PUBLIC_HOST = '*';

const BELOW = '*.';
const SHAPE = /^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?$/;
const SHAPE_FAULT =
  'must be a host such as api.example.com, *.example.com or api.example.com:8443, in lower case and without a scheme';
const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/**
 * Hosts that may be called: `api.example.com` alone, or with `*.example.com` every host below it and not itself. Without a port, that of
 * the scheme. No wildcard takes in what strangers register: `*.com` and `*.co.uk` are refused.
 */
export const hostPattern = z
  .string()
  .max(260)
  .regex(SHAPE, { error: SHAPE_FAULT, abort: true })
  .superRefine((pattern, ctx) => {
    const message = faultOf(pattern);
    if (message !== undefined) ctx.addIssue({ code: 'custom', message, params: { code: 'host_invalid' } });
  });

function faultOf(pattern: string): string | undefined {
  const [written = '', port] = pattern.split(':');
  if (Number(port ?? 1) > 65_535) return 'has a port above 65535';
  const isWildcard = written.startsWith(BELOW);
  const base = isWildcard ? written.slice(BELOW.length) : written;
  // As every URL that is called is read: 127.1 is another spelling, and a..b no host.
  const read = URL.parse(`http://${isWildcard ? `a.${base}` : base}/`)?.hostname;
  if (read === undefined) return 'is no host';
  if (read !== (isWildcard ? `a.${base}` : base)) return `must be written as ${read}`;
  if (base.split('.').some((label) => label === '' || label.length > 63)) return 'is no host';
  if (isWildcard && (getPublicSuffix(`a.${base}`) ?? '').length >= base.length) {
    return `takes in every domain that somebody registers under ${base}; name the domain, such as *.example.${base}`;
  }
  return undefined;
}

/** Whether one of the patterns allows what a URL leads to. */
export function hostsAllow(patterns: readonly string[], url: URL): boolean {
  return patterns.some((pattern) => patternAllows(pattern, url));
}

function patternAllows(pattern: string, { hostname, port, protocol }: URL): boolean {
  if (pattern === ANY_PUBLIC_HOST) return port === '';
  const [host = '', named] = pattern.split(':');
  if (named === undefined ? port !== '' : named !== (port || DEFAULT_PORTS[protocol])) return false;
  return host.startsWith(BELOW) ? hostname.endsWith(host.slice(1)) : hostname === host;
}

/** Whether a pattern allows all that another does. */
export function patternCovers(wide: string, narrow: string): boolean {
  if (wide === narrow) return true;
  if (wide === ANY_PUBLIC_HOST) return !narrow.includes(':');
  return wide.startsWith(BELOW) && narrow.replace(/^\*\./, '').endsWith(wide.slice(1));
}
