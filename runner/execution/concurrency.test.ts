import { describe, expect, it } from '@jest/globals';
import { createConcurrency } from './concurrency.ts';

function setup() {
  const concurrency = createConcurrency({ tenant: 3, install: 2 });
  const gate = Promise.withResolvers<undefined>();
  const started: string[] = [];
  const run = (tenantId: string, installId: string, signal = new AbortController().signal) =>
    concurrency.run({ tenantId, installId }, signal, () => {
      started.push(`${tenantId}/${installId}`);
      return gate.promise;
    });
  return { run, started, open: () => gate.resolve(undefined) };
}

describe('concurrency', () => {
  it('of an install leaves places of its tenant to others', async () => {
    const { run, started, open } = setup();
    const all = [run('t', 'loud'), run('t', 'loud'), run('t', 'loud'), run('t', 'quiet')];
    await new Promise(setImmediate);
    expect(started).toEqual(['t/loud', 't/loud', 't/quiet']);
    open();
    await Promise.all(all);
    expect(started).toHaveLength(4);
  });

  it('has as many wait as run, refuses the rest, and counts each tenant apart', async () => {
    const { run, started, open } = setup();
    const all = ['a', 'a', 'b', 'b', 'c', 'c'].map((install) => run('t', install));
    await new Promise(setImmediate);
    await expect(run('t', 'd')).rejects.toMatchObject({ code: 'CONCURRENCY_LIMITED' });
    const other = run('u', 'a');
    await new Promise(setImmediate);
    expect(started).toEqual(['t/a', 't/a', 't/b', 'u/a']);
    open();
    await Promise.all([...all, other]);
  });

  it('lets go what nobody waits for any more', async () => {
    const { run, started, open } = setup();
    const all = [run('t', 'a'), run('t', 'a')];
    const leaving = new AbortController();
    const left = run('t', 'a', leaving.signal);
    leaving.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    open();
    await Promise.all(all);
    expect(started).toHaveLength(2);
  });
});
