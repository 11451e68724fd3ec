import type { RowChanges } from '../../platform/db/row-changes.ts';

/** Changes that a test makes itself. */
export class ManualChanges implements RowChanges {
  readonly wakes = new Set<() => void>();
  closed = false;

  subscribe(_tenantId: string, _row: unknown, wake: () => void): () => void {
    this.wakes.add(wake);
    return () => this.wakes.delete(wake);
  }

  waitingOf(): number {
    return this.wakes.size;
  }

  changed(): void {
    for (const wake of [...this.wakes]) wake();
  }

  close(): void {
    this.closed = true;
    this.changed();
  }
}
