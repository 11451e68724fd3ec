import { endpointShape, matchEndpoint, paramNames } from '../endpoints.ts';
import type { Issue } from '../errors.ts';
import type { Manifest } from './schema.ts';

/** Faults between parts of a manifest whose parts are right by themselves. */
export function crossCheck(manifest: Manifest): Issue[] {
  return [
    ...duplicates('capabilities', manifest.capabilities, (request) => request.name, '.name'),
    ...duplicates('secrets', manifest.secrets, (secret) => secret.name, '.name'),
    ...duplicates('events', manifest.events, (event) => `${event.topic} to ${event.handler}`),
    ...endpointFaults(manifest),
    ...secretScopeFaults(manifest),
    ...healthFaults(manifest),
  ];
}

function endpointFaults(manifest: Manifest): Issue[] {
  const first = new Map<string, { at: number; path: string }>();
  return (manifest.api?.endpoints ?? []).flatMap(({ method, path }, at): Issue[] => {
    const where = `api.endpoints[${at}]`;
    const params = paramNames(path);
    const repeated = params.find((param, index) => params.indexOf(param) !== index);
    if (repeated !== undefined) {
      const message = `has the param ":${repeated}" twice; rename one`;
      const expected = 'params of different names';
      const fix = `"path": ${JSON.stringify(path.replace(`:${repeated}`, `:${repeated}1`))}`;
      return [{ path: `${where}.path`, code: 'duplicate_param', message, expected, fix }];
    }
    const key = `${method} ${endpointShape(path)}`;
    const earlier = first.get(key);
    if (earlier === undefined) {
      first.set(key, { at, path });
      return [];
    }
    return earlier.path === path
      ? [
          {
            path: where,
            code: 'duplicate',
            message: `is ${method} ${path} again; remove one of the two`,
            expected: 'each method and path once',
          },
        ]
      : [
          {
            path: `${where}.path`,
            code: 'conflict',
            message: `matches the same paths as ${earlier.path} in api.endpoints[${earlier.at}]; remove one of the two`,
            expected: 'paths that no other endpoint of the method matches',
            fix: 'remove one of the two',
          },
        ];
  });
}

function secretScopeFaults(manifest: Manifest): Issue[] {
  const declared = new Set(manifest.secrets.map((secret) => secret.name));
  return manifest.capabilities.flatMap((request, at) =>
    (request.name === 'secrets.get' ? (request.scope['names'] ?? []) : []).flatMap((name, index) =>
      declared.has(name)
        ? []
        : [
            {
              path: `capabilities[${at}].scope.names[${index}]`,
              code: 'unknown_secret',
              message: `names ${JSON.stringify(name)}, which is not in "secrets"; add it there`,
              expected: 'the name of a secret in "secrets"',
              fix: `"secrets": [{ "name": ${JSON.stringify(name)} }]`,
            },
          ],
    ),
  );
}

function healthFaults(manifest: Manifest): Issue[] {
  if (manifest.health === undefined) return [];
  const found = matchEndpoint(manifest.api?.endpoints ?? [], 'GET', manifest.health);
  if (found !== undefined && 'endpoint' in found) return [];
  const message = `is not a declared endpoint; add GET ${manifest.health} to api.endpoints or remove "health"`;
  const expected = 'the path of a declared GET endpoint';
  const fix = `{ "method": "GET", "path": ${JSON.stringify(manifest.health)}, "handler": "health" }`;
  return [{ path: 'health', code: 'unknown_endpoint', message, expected, fix }];
}

function duplicates<T>(list: string, items: readonly T[], keyOf: (item: T) => string, member = ''): Issue[] {
  const seen = new Set<string>();
  return items.flatMap((item, at) => {
    const key = keyOf(item);
    if (!seen.has(key)) {
      seen.add(key);
      return [];
    }
    const message = `has ${JSON.stringify(key)} a second time; remove one`;
    const expected = `each ${list === 'events' ? 'pair of topic and handler' : 'name'} once`;
    return [{ path: `${list}[${at}]${member}`, code: 'duplicate', message, expected }];
  });
}
