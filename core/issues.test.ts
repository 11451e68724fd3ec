import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { parseInput, issuesOf } from './issues.ts';

const schema = z.strictObject({ name: z.string(), sizes: z.array(z.int()), kind: z.enum(['a', 'b']) });

describe('faults of an input', () => {
  it('name each place, its rule and the way out, and never the input', () => {
    const value = { sizes: [1, 'hunter2'], kind: 'hunter2', extra: 'hunter2' };
    const parse = (): unknown => parseInput(schema, value, 'the body is wrong');
    expect(parse).toThrow(
      expect.objectContaining({
        code: 'INPUT_INVALID',
        message: 'the body is wrong',
        issues: [
          { path: 'name', code: 'invalid_type', message: 'is missing; give a string', expected: 'string' },
          { path: 'sizes[1]', code: 'invalid_type', message: 'must be a number', expected: 'number' },
          { path: 'kind', code: 'invalid_value', message: 'must be one of "a", "b"', expected: '"a", "b"' },
          {
            path: 'extra',
            code: 'unrecognized_keys',
            message: 'is not a known key; check its spelling or remove it',
          },
        ],
      }),
    );
  });

  it('name each type that a value may have once, however many forms of it there are', () => {
    const messageOf = (one: z.ZodType): string | undefined => {
      const { error } = one.safeParse(1);
      return error && issuesOf(error)[0]?.message;
    };
    expect(messageOf(z.union([z.base64(), z.base64url()]))).toBe('must be a string');
    expect(messageOf(z.union([z.string(), z.boolean()]))).toBe('must be a string or a boolean');
  });

  it('do not call a member missing of which it is not told what was there', () => {
    const { error } = z.object({ name: z.string() }).safeParse({ name: 3 });
    expect(error && issuesOf(error)).toEqual([
      { path: 'name', code: 'invalid_type', message: 'must be a string', expected: 'string' },
    ]);
  });
});
