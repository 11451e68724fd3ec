import { describe, expect, it, jest } from '@jest/globals';
import { HandleTable } from './handle-table.ts';

function resource(mostBytes = 0) {
  return { mostBytes, [Symbol.dispose]: jest.fn() };
}

describe('a table of handles', () => {
  it('lets go of what a guest drops, and of what it holds at its end', () => {
    const [dropped, held] = [resource(), resource()];
    const table = new HandleTable();
    table.drop(table.add(dropped));
    table.add(held);
    expect(held[Symbol.dispose]).not.toHaveBeenCalled();
    table.clear();
    for (const each of [dropped, held]) expect(each[Symbol.dispose]).toHaveBeenCalledTimes(1);
  });

  it('lets go of nothing that is only borrowed, and refuses to give it away', () => {
    const lent = resource();
    const table = new HandleTable();
    const [first, second] = [table.add(lent, true), table.add(lent, true)];
    expect(() => table.remove(first)).toThrow('borrowed');
    table.drop(first);
    expect(table.borrows).toBe(1);
    expect(table.get(second)).toBe(lent);
    table.clear();
    expect(table.borrows).toBe(0);
    expect(lent[Symbol.dispose]).not.toHaveBeenCalled();
  });

  it('is full when what its resources may hold comes to 16 MiB, however few they are', () => {
    const open = { handles: 0, heldBytes: 0 };
    const [table, other] = [new HandleTable(open), new HandleTable(open)];
    const handles = Array.from({ length: 16 }, () => table.add(resource(1024 * 1024)));
    expect(() => other.add(resource(1))).toThrow('may hold too much');
    table.drop(handles[0] ?? 0);
    expect(other.get(other.add(resource(1)))).toBeDefined();
    table.clear();
    other.clear();
    expect(open).toEqual({ handles: 0, heldBytes: 0 });
  });
});
