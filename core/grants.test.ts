import { describe, expect, it } from '@jest/globals';
import type { Grant } from './capabilities.ts';
import { scopeCovers } from './capability-scope.ts';
import { isPlatformError } from './errors.ts';
import { narrowGrants, withheld, type NarrowedGrant } from './grants.ts';

const GRANTS: Grant[] = [
  { capability: 'storage.kv', scope: { namespaces: ['notes', 'drafts'] } },
  { capability: 'secrets.get', scope: {} },
];
const REQUESTED = [
  { name: 'storage.kv' as const, scope: { namespaces: ['notes', 'drafts'] }, optional: false },
  { name: 'secrets.get' as const, scope: {}, optional: true },
];
const narrow = (kept: NarrowedGrant[]) => narrowGrants(GRANTS, REQUESTED, kept);

function faults(kept: NarrowedGrant[]): [string, string][] {
  try {
    narrow(kept);
    return [];
  } catch (err) {
    if (!isPlatformError(err) || err.code !== 'CONSENT_INVALID') throw err;
    return err.issues.map(({ path, code }) => [path, code]);
  }
}

describe('narrowing grants', () => {
  it('keeps what is named, as it is or with less', () => {
    expect(narrow([{ capability: 'storage.kv' }, { capability: 'secrets.get' }])).toEqual(GRANTS);
    const less = [
      { capability: 'storage.kv' as const, scope: { namespaces: ['notes'] } },
      { capability: 'secrets.get' as const, scope: { names: ['TOKEN'] } },
    ];
    expect(narrow(less)).toEqual(less);
  });

  it('withholds some of what every install has, and keeps it so', () => {
    const name: Grant = { capability: 'user.read', scope: { fields: ['name'] } };
    expect(narrow([...GRANTS, name])).toEqual([...GRANTS, name]);
    expect(narrow([...GRANTS, { capability: 'user.read' }, { capability: 'log.emit' }])).toEqual(GRANTS);
    const held = [...GRANTS, name];
    expect(narrowGrants(held, REQUESTED, GRANTS)).toEqual(held);
    const more = { capability: 'user.read' as const, scope: { fields: ['name', 'email'] } };
    expect(() => narrowGrants(held, REQUESTED, [...GRANTS, more])).toThrow(
      expect.objectContaining({ issues: [expect.objectContaining({ code: 'wider' })] }),
    );
  });

  it('leaves alone what every install has and is not named, also where the version asks for it', () => {
    const held: Grant[] = [...GRANTS, { capability: 'user.read', scope: { fields: [] } }];
    const requested = [...REQUESTED, { name: 'user.read' as const, scope: {}, optional: false }];
    expect(narrowGrants(held, requested, GRANTS)).toEqual(held);
  });

  it('takes no field of a user twice over and over', () => {
    const scope = { fields: ['name', 'name', 'name', 'name'] };
    expect(faults([...GRANTS, { capability: 'user.read', scope }])).toEqual([
      ['grants[2].scope.fields', 'scope_invalid'],
    ]);
  });

  it('takes away an optional one that is not named, and no required one', () => {
    expect(narrow([{ capability: 'storage.kv' }])).toEqual([GRANTS[0]]);
    expect(faults([{ capability: 'secrets.get' }])).toEqual([['grants', 'required']]);
  });

  it('names every fault: what is not granted, wider, twice, or no scope of the capability', () => {
    expect(
      faults([
        { capability: 'storage.kv', scope: { namespaces: ['notes', 'other'] } },
        { capability: 'config.read' },
        { capability: 'secrets.get', scope: { hosts: ['a.example'] } },
        { capability: 'secrets.get' },
      ]),
    ).toEqual([
      ['grants[0].scope', 'wider'],
      ['grants[1]', 'not_granted'],
      ['grants[2].scope', 'scope_invalid'],
      ['grants[3]', 'duplicate'],
    ]);
    expect(faults([{ capability: 'storage.kv', scope: {} }])).toEqual([['grants[0].scope', 'wider']]);
    expect(faults([{ capability: 'storage.kv', scope: { namespaces: [] } }])).toEqual([
      ['grants[0].scope.namespaces', 'scope_invalid'],
    ]);
  });
});

describe('a scope of hosts', () => {
  it.each([
    ['*.example.com', 'api.example.com', true],
    ['*.example.com', '*.api.example.com', true],
    ['*.example.com', '*.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'badexample.com', false],
    ['*.example.com', 'api.example.com:8443', false],
    ['*.example.com:8443', 'api.example.com:8443', true],
    ['api.example.com', '*.example.com', false],
  ])('%s covers %s: %s', (allowed, host, covers) => {
    expect(scopeCovers({ hosts: [allowed] }, { hosts: [host] })).toBe(covers);
  });

  it('of any public host covers each of them', () => {
    expect(scopeCovers({ hosts: ['*'] }, { hosts: ['api.example.com', '*.example.com'] })).toBe(true);
    expect(scopeCovers({ hosts: ['api.example.com'] }, { hosts: ['*'] })).toBe(false);
    expect(scopeCovers({}, { hosts: ['*'] })).toBe(true);
  });

  it('of all hosts is covered by no list', () => {
    expect(scopeCovers({ hosts: ['*.example.com'] }, {})).toBe(false);
    expect(scopeCovers({}, { hosts: ['api.example.com'] })).toBe(true);
  });
});

describe('what is withheld of what every install has', () => {
  const told = (...fields: string[]): Grant => ({ capability: 'user.read', scope: { fields } });

  it('is all that anybody withheld, whoever withheld what', () => {
    expect(withheld([...GRANTS, told('name', 'client'), told('email', 'client')])).toEqual([told('client')]);
    expect(withheld([told('name'), told('email')])).toEqual([told()]);
    expect(withheld([told('name'), told('name', 'email'), told('client', 'name')])).toEqual([told('name')]);
    expect(withheld(GRANTS)).toEqual([]);
  });
});
