import type { z } from 'zod';
import { PlatformError, type Issue } from './errors.ts';

type ZodIssue = z.core.$ZodIssue;

/** The value as the schema reads it, or INPUT_INVALID with every fault; `refusal` says what is wrong with the whole. */
export function parseInput<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  refusal: string,
): z.output<Schema> {
  const parsed = schema.safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw new PlatformError('INPUT_INVALID', refusal, { issues: issuesOf(parsed.error) });
}

/**
 * A parse failure as issues a person can act on: paths and rules, never the input, which may hold secrets. Parse with
 * `reportInput: true`, or a missing member reads as one of a wrong type.
 */
export function issuesOf(error: z.ZodError): Issue[] {
  return faultsOf(error).map(({ at, ...fault }) => ({ path: jsonPath(at), ...fault }));
}

/** An issue whose place is not written down yet. */
export interface Fault extends Omit<Issue, 'path'> {
  at: readonly PropertyKey[];
}

/** The same, for whoever looks at what stands there. */
export function faultsOf(error: z.ZodError): Fault[] {
  return error.issues.flatMap((issue) => toFaults(issue, []));
}

/** `api.endpoints[0].method`; the empty path is the value itself. */
export function jsonPath(path: readonly PropertyKey[]): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '');
}

function toFaults(issue: ZodIssue, base: readonly PropertyKey[]): Fault[] {
  const path = [...base, ...issue.path];
  const at = (message: string, expected?: string): Fault[] => [
    { at: path, code: codeOf(issue), message, ...(expected === undefined ? {} : { expected }) },
  ];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        at: [...path, key],
        code: issue.code,
        message: 'is not a known key; check its spelling or remove it',
      }));
    case 'invalid_union': {
      // The branch that got furthest is the one that was meant.
      const branches = issue.errors.toSorted((a, b) => depthOf(b) - depthOf(a));
      const [meant] = branches;
      if (meant === undefined || depthOf(meant) === 0) return at(unionMessage(issue));
      return meant.flatMap((inner) => toFaults(inner, path));
    }
    case 'invalid_type':
      return 'input' in issue && issue.input === undefined
        ? at(`is missing; give ${withArticle(issue.expected)}`, issue.expected)
        : at(`must be ${withArticle(issue.expected)}`, issue.expected);
    case 'invalid_value': {
      const allowed = issue.values.map((value) => JSON.stringify(value)).join(', ');
      return at(issue.values.length === 1 ? `must be ${allowed}` : `must be one of ${allowed}`, allowed);
    }
    case 'invalid_key':
    case 'invalid_element':
      return issue.issues.flatMap((inner) => toFaults({ ...inner, path: [] }, path));
    case 'too_big':
    case 'too_small': {
      const rule = sizeRule(issue);
      return at(`must ${rule}`, rule);
    }
    default:
      return at(issue.message);
  }
}

function sizeRule(issue: z.core.$ZodIssueTooBig | z.core.$ZodIssueTooSmall): string {
  const most = issue.code === 'too_big';
  const count = String(most ? issue.maximum : issue.minimum);
  const bound = `at ${most ? 'most' : 'least'} ${count}`;
  const plural = count === '1' ? '' : 's';
  if (issue.origin === 'string') return `have ${bound} character${plural}`;
  return issue.origin === 'array' ? `have ${bound} item${plural}` : `be ${bound}`;
}

function unionMessage(issue: z.core.$ZodIssueInvalidUnion): string {
  if (issue.discriminator !== undefined) return issue.message;
  // Once each: two forms of a string are one type.
  const types = new Set(
    issue.errors.flat().flatMap((inner) => (inner.code === 'invalid_type' ? [inner.expected] : [])),
  );
  return types.size === 0 ? issue.message : `must be ${[...types].map(withArticle).join(' or ')}`;
}

/** How far into a value a branch of a union came; a wrong type at the top is no way at all. */
function depthOf(branch: readonly ZodIssue[]): number {
  return Math.max(
    0,
    ...branch.map((issue) => (issue.code === 'invalid_type' ? issue.path.length : issue.path.length + 1)),
  );
}

/** Refinements name their own code in `params`; everything else keeps the schema library's. */
function codeOf(issue: ZodIssue): string {
  const code: unknown = issue.code === 'custom' ? issue.params?.['code'] : undefined;
  return typeof code === 'string' ? code : issue.code;
}

function withArticle(type: string): string {
  return `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type}`;
}
