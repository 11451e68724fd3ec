import { describe, expect, it } from '@jest/globals';
import { issuesOf } from '../issues.ts';
import { settingsSchema } from './settings-schema.ts';

const setting = (rules: object): Record<string, unknown> => ({ type: 'object', properties: { x: rules } });

describe('settingsSchema', () => {
  it.each<[string, Record<string, unknown>, string, string]>([
    [
      'a pattern in settings',
      setting({ type: 'string', pattern: 'a+' }),
      'properties.x.pattern',
      'unrecognized_keys',
    ],
    ['a reference in settings', setting({ $ref: '#' }), 'properties.x.type', 'invalid_union'],
    ['nested settings', setting({ type: 'object' }), 'properties.x.type', 'invalid_union'],
    [
      'an array of numbers',
      setting({ type: 'array', items: { type: 'number' } }),
      'properties.x.items.type',
      'invalid_value',
    ],
    [
      'a default that is not allowed',
      setting({ type: 'integer', default: 1.5 }),
      'properties.x.default',
      'default_invalid',
    ],
    [
      'a default outside its enum',
      setting({ type: 'string', enum: ['a'], default: 'b' }),
      'properties.x.default',
      'default_invalid',
    ],
    [
      'open settings',
      { type: 'object', properties: {}, additionalProperties: true },
      'additionalProperties',
      'invalid_value',
    ],
    [
      'a required setting that is not declared',
      { type: 'object', properties: {}, required: ['y'] },
      'required[0]',
      'unknown_property',
    ],
    [
      'a name that is no identifier',
      { type: 'object', properties: { '9 lives': { type: 'string' } } },
      'properties.9 lives',
      'invalid_format',
    ],
    [
      'an enum with a value twice',
      setting({ type: 'string', enum: ['a', 'a'] }),
      'properties.x.enum',
      'custom',
    ],
    ['a list at the top', { type: 'array' }, 'type', 'invalid_value'],
  ])('refuses %s', (_what, schema, path, code) => {
    const { error } = settingsSchema.safeParse({ properties: {}, ...schema }, { reportInput: true });
    const issues = error === undefined ? [] : issuesOf(error);
    expect(issues.map((issue) => ({ path: issue.path, code: issue.code }))).toEqual([{ path, code }]);
  });

  it('takes the extremes of what it allows', () => {
    const properties = Object.fromEntries(
      Array.from({ length: 100 }, (_, at) => [`s${at}`, { type: 'boolean' }]),
    );
    expect(settingsSchema.safeParse({ type: 'object', properties }).success).toBe(true);
    const more = { ...properties, another: { type: 'boolean' } };
    expect(settingsSchema.safeParse({ type: 'object', properties: more }).success).toBe(false);
  });
});
