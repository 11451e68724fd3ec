import { describe, expect, it } from '@jest/globals';
import { manifestSchema } from './schema.ts';
import { unsupportedFields } from './unsupported.ts';

const pathsOf = (fields: object): string[] => {
  const manifest = { name: 'hello', publisher: 'Alga', version: '1.0.0', runtime: 'wasm-js@1', ...fields };
  return unsupportedFields(manifestSchema.parse(manifest)).map(({ path }) => path);
};

describe('what a manifest asks for and this platform does not do yet', () => {
  it.each<[string, object]>([
    ['events', { events: [{ topic: 'ticket.closed', handler: 'h' }] }],
    ['schedules', { schedules: [{ cron: '0 6 * * 1', handler: 'h' }] }],
  ])('is %s', (path, fields) => {
    expect(pathsOf(fields)).toEqual([path]);
  });

  it('is nothing of what is done, or asked for in vain', () => {
    expect(pathsOf({})).toEqual([]);
    expect(
      pathsOf({ limits: { timeoutMs: 500, fuel: 1000 }, instance: 'shared', events: [], schedules: [] }),
    ).toEqual([]);
  });
});
