import { z } from 'zod';
import { PERMISSIONS } from '../permissions.ts';
import { requestHeaderName } from '../request-header.ts';

const ENDPOINT_METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

const PATH = /^\/$|^(\/(:[A-Za-z][A-Za-z0-9_]*|[A-Za-z0-9._~-]+))+$/;
/** Prefixes of the platform's own permissions: an extension cannot pass its names off as them. */
const RESERVED = [...new Set(PERMISSIONS.map((permission) => `${permission.split(':')[0] ?? ''}:`))];

/** What the component is told to run; ours to pass on, its own to understand. */
export const handlerName = z
  .string()
  .max(200)
  .regex(
    /^[A-Za-z_$][A-Za-z0-9_$./-]*$/,
    'must be a handler name: a letter, then letters, digits and _ $ . / -',
  );

const endpointPath = z
  .string()
  .max(200)
  .regex(PATH, 'must be "/" or segments such as /orders/:id, without wildcards or a slash at the end')
  .refine((path) => !/\/\.\.?(\/|$)/.test(path), 'must not have "." or ".." as a segment');

const permission = z
  .string()
  .max(100)
  .regex(/^[a-z][a-z0-9.-]*(:[a-z][a-z0-9.-]*)*$/, 'must be lower case words joined by ":"')
  .refine(
    (name) =>
      name === 'extension:read' ||
      name === 'extension:write' ||
      !RESERVED.some((prefix) => name.startsWith(prefix)),
    `must be extension:read, extension:write or a name of your own that does not begin with ${RESERVED.join(' ')}`,
  );

/** Most a call may take, in milliseconds. */
const MAX_TIMEOUT_MS = 60_000;
export const timeoutMs = z.int().min(100).max(MAX_TIMEOUT_MS);

const endpoint = z
  .strictObject({
    method: z.enum(ENDPOINT_METHODS).describe('GET serves HEAD as well.'),
    path: endpointPath.describe('Segments, of which those with ":" are params.'),
    handler: handlerName.describe('What the component is told to run.'),
    permission: permission
      .optional()
      .describe(
        'Who may call it: extension:read, extension:write or a name of its own. Absent: extension:read for GET, else extension:write.',
      ),
    description: z.string().max(500).optional(),
    headers: z
      .array(requestHeaderName)
      .min(1)
      .max(20)
      .optional()
      .describe('Of the request, beside those that every endpoint is given; a person consents to them.'),
    schedulable: z.boolean().default(false).describe('Whether a schedule may call it.'),
    timeoutMs: timeoutMs.optional().describe('Milliseconds. Absent: limits.timeoutMs.'),
    retryable: z
      .boolean()
      .default(false)
      .describe('A second run does no harm: calls whose outcome is not known may be run once more.'),
  })
  .transform(({ permission: declared, ...rest }) => ({
    ...rest,
    permission: declared ?? (rest.method === 'GET' ? 'extension:read' : 'extension:write'),
  }));

export const api = z.strictObject({ endpoints: z.array(endpoint).max(500) });
