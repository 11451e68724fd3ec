import { describe, expect, it } from '@jest/globals';
import { isPlatformError } from './errors.ts';
import { settingsSchema } from './manifest/settings-schema.ts';
import { defaultConfig, validateConfig } from './install-config.ts';

const schema = settingsSchema.parse({
  type: 'object',
  properties: {
    greeting: { type: 'string', default: 'Hello', minLength: 1, maxLength: 10 },
    url: { type: 'string', format: 'uri' },
    mail: { type: 'string', format: 'email' },
    day: { type: 'string', format: 'date' },
    unit: { type: 'string', enum: ['km', 'mi'] },
    count: { type: 'integer', minimum: 1, maximum: 5 },
    share: { type: 'number' },
    level: { type: 'number', enum: [1, 2] },
    on: { type: 'boolean', default: false },
    tags: { type: 'array', items: { type: 'string', maxLength: 3 }, maxItems: 2 },
  },
  required: ['url', 'greeting'],
});
const given = { url: 'https://example.com' };

function pathsOf(run: () => unknown): string[] {
  try {
    run();
  } catch (err) {
    if (isPlatformError(err) && err.code === 'SETTINGS_INVALID') return err.issues.map((issue) => issue.path);
    throw err;
  }
  throw new Error('nothing was refused');
}

describe('validateConfig', () => {
  it('fills in defaults, for required settings too, and adds nothing else', () => {
    expect(validateConfig(schema, given)).toEqual({ ...given, greeting: 'Hello', on: false });
  });

  it('takes every kind of value', () => {
    const all = {
      greeting: 'Hi',
      url: 'https://example.com/a?b',
      mail: 'a@example.com',
      day: '2028-02-29',
      unit: 'km',
      count: 5,
      share: 0.5,
      level: 2,
      on: true,
      tags: ['a', 'b'],
    };
    expect(validateConfig(schema, all)).toEqual(all);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['a required setting left out', { url: undefined }, 'url'],
    ['a setting that is not declared', { other: 1 }, 'other'],
    [
      'a setting named like a prototype',
      JSON.parse('{"__proto__": 1}') as Record<string, unknown>,
      '__proto__',
    ],
    ['a setting of another type', { greeting: 3 }, 'greeting'],
    ['null', { greeting: null }, 'greeting'],
    ['a text too short', { greeting: '' }, 'greeting'],
    ['a text too long', { greeting: 'x'.repeat(11) }, 'greeting'],
    ['no URI', { url: 'example' }, 'url'],
    ['no e-mail address', { mail: 'example.com' }, 'mail'],
    ['a day that is not in the calendar', { day: '2027-02-29' }, 'day'],
    ['a text outside the enum', { unit: 'ft' }, 'unit'],
    ['a number outside the enum', { level: 3 }, 'level'],
    ['a number that is not whole', { count: 1.5 }, 'count'],
    ['a number too small', { count: 0 }, 'count'],
    ['a number too large', { count: 6 }, 'count'],
    ['a number as text', { share: '0.5' }, 'share'],
    ['too many items', { tags: ['a', 'b', 'c'] }, 'tags'],
    ['an item too long', { tags: ['a', 'long'] }, 'tags[1]'],
  ])('refuses %s', (_what, values, path) => {
    expect(pathsOf(() => validateConfig(schema, { ...given, ...values }))).toEqual([path]);
  });

  it.each([null, [], 'text', undefined])('refuses %j for all settings', (values) => {
    expect(pathsOf(() => validateConfig(schema, values))).toEqual(['']);
  });

  it('takes no settings where none are declared', () => {
    expect(validateConfig(undefined, {})).toEqual({});
    expect(pathsOf(() => validateConfig(undefined, { a: 1 }))).toEqual(['a']);
  });

  it('leaves its input as it was', () => {
    const values = Object.freeze({ ...given });
    validateConfig(schema, values);
    expect(values).toEqual(given);
  });
});

describe('defaultConfig', () => {
  it('has the defaults and leaves out what has none', () => {
    expect(defaultConfig(schema)).toEqual({ greeting: 'Hello', on: false });
    expect(defaultConfig(undefined)).toEqual({});
  });
});
