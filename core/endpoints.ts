/** What matching needs of an endpoint. `path` is `/` or segments of `/literal` and `/:param`. */
export interface EndpointPattern {
  method: string;
  path: string;
}

export type EndpointMatch<E extends EndpointPattern> =
  | { endpoint: E; params: Readonly<Record<string, string>> }
  /** The path is there, the method is not. */
  | { allow: readonly string[] };

/**
 * The endpoint that serves a request, the methods its path does have, or undefined if there is no such path.
 *
 * A param matches one segment that is not empty; where several patterns match, the first segment in which they differ decides, and
 * a literal beats a param. GET serves HEAD. A trailing slash belongs to the path: `/a/` is not `/a`. A segment whose
 * percent-encoding is broken, or that decodes to something that would be another path, matches nothing.
 */
export function matchEndpoint<E extends EndpointPattern>(
  endpoints: readonly E[],
  method: string,
  path: string,
): EndpointMatch<E> | undefined {
  const segments = decodeSegments(path);
  if (segments === undefined) return undefined;
  const matching = endpoints.filter((endpoint) => matches(segmentsOf(endpoint.path), segments));
  if (matching.length === 0) return undefined;
  const wanted = method === 'HEAD' ? 'GET' : method;
  const [endpoint] = matching
    .filter((candidate) => candidate.method === wanted)
    .toSorted((a, b) => comparePatterns(a.path, b.path));
  if (endpoint === undefined) return { allow: allowedMethods(matching) };
  return { endpoint, params: paramsOf(endpoint.path, segments) };
}

/** Equal for two patterns that match the same paths: `/a/:x` and `/a/:y`. */
export function endpointShape(path: string): string {
  return segmentsOf(path)
    .map((segment) => (isParam(segment) ? ':' : segment))
    .join('/');
}

/** Names of the params in a pattern, in order. */
export function paramNames(path: string): string[] {
  return segmentsOf(path)
    .filter(isParam)
    .map((segment) => segment.slice(1));
}

function segmentsOf(path: string): string[] {
  return path.slice(1).split('/');
}

function isParam(segment: string): boolean {
  return segment.startsWith(':');
}

function decodeSegments(path: string): string[] | undefined {
  if (!path.startsWith('/')) return undefined;
  const segments: string[] = [];
  for (const raw of segmentsOf(path)) {
    let segment: string;
    try {
      segment = decodeURIComponent(raw);
    } catch {
      return undefined; // broken percent-encoding names no resource
    }
    // Decoded, these would mean another path to whoever joins the params again.
    if (segment === '.' || segment === '..' || /[/\\\p{Cc}]/u.test(segment)) return undefined;
    segments.push(segment);
  }
  return segments;
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every((part, at) => (isParam(part) ? segments[at] !== '' : part === segments[at]))
  );
}

function comparePatterns(a: string, b: string): number {
  const others = segmentsOf(b);
  for (const [at, segment] of segmentsOf(a).entries()) {
    const difference = Number(isParam(segment)) - Number(isParam(others[at] ?? ''));
    if (difference !== 0) return difference;
  }
  return 0;
}

function paramsOf(pattern: string, segments: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    segmentsOf(pattern).flatMap((part, at) => (isParam(part) ? [[part.slice(1), segments[at] ?? '']] : [])),
  );
}

function allowedMethods(endpoints: readonly EndpointPattern[]): string[] {
  const methods = new Set(endpoints.map((endpoint) => endpoint.method));
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}
