import { describe, expect, it } from '@jest/globals';
import { eventually } from '../test/support/eventually.ts';
import { createGroupCommit } from './group-commit.ts';

/** Writes that the test ends. */
function hand(paceMs = 0, most = 10) {
  const groups: { items: readonly string[]; end: (err?: Error) => void }[] = [];
  const commit = createGroupCommit<string>(
    (items) =>
      new Promise((resolve, reject) => {
        groups.push({ items, end: (err) => (err ? reject(err) : resolve()) });
      }),
    { most, paceMs: () => paceMs, isItemsFault: (err) => (err as Error).message === 'item' },
  );
  return { commit, groups };
}
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('a group commit', () => {
  it('writes one alone at once, and what comes meanwhile together', async () => {
    const { commit, groups } = hand();
    const written = ['a', 'b', 'c'].map((item) => commit.write(item));
    expect(groups.map(({ items }) => items)).toEqual([['a']]);
    groups[0]?.end();
    await written[0];
    await turn();
    expect(groups.map(({ items }) => items)).toEqual([['a'], ['b', 'c']]);
    groups[1]?.end();
    await Promise.all(written);
  });

  it('settles nobody before the group is written', async () => {
    const { commit, groups } = hand();
    let settled = false;
    const written = commit.write('a').then(() => (settled = true));
    await turn();
    expect(settled).toBe(false);
    groups[0]?.end();
    await written;
  });

  it('takes no more at once than a group may have', async () => {
    const { commit, groups } = hand(0, 2);
    const written = ['a', 'b', 'c', 'd'].map((item) => commit.write(item));
    groups[0]?.end();
    await turn();
    expect(groups[1]?.items).toEqual(['b', 'c']);
    groups[1]?.end();
    await turn();
    groups[2]?.end();
    await Promise.all(written);
  });

  it('tries each by itself where one may be at fault, and fails that one alone', async () => {
    const { commit, groups } = hand();
    const first = commit.write('first');
    const written = ['good', 'bad'].map((item) => commit.write(item));
    const outcomes = Promise.allSettled(written);
    groups[0]?.end();
    await first;
    await turn();
    groups[1]?.end(new Error('item'));
    await turn();
    expect(groups[2]?.items).toEqual(['good']);
    groups[2]?.end();
    await turn();
    expect(groups[3]?.items).toEqual(['bad']);
    groups[3]?.end(new Error('item'));
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it('fails all of them where it is no fault of theirs, and goes on with the next', async () => {
    const { commit, groups } = hand();
    const first = commit.write('first');
    const outcomes = Promise.allSettled(['a', 'b'].map((item) => commit.write(item)));
    groups[0]?.end();
    await first;
    await turn();
    groups[1]?.end(new Error('away'));
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await turn();
    const next = commit.write('next');
    expect(groups[2]?.items).toEqual(['next']);
    groups[2]?.end();
    await next;
  });

  it('waits for others after a group', async () => {
    const { commit, groups } = hand(200);
    const first = commit.write('first');
    groups[0]?.end();
    await first;
    await turn();
    const written = ['a', 'b'].map((item) => commit.write(item));
    await turn();
    expect(groups).toHaveLength(1);
    await eventually(() => expect(groups[1]?.items).toEqual(['a', 'b']));
    groups[1]?.end();
    await Promise.all(written);
  });
});
