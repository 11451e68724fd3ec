import { DatabaseSync } from 'node:sqlite';

/** `SQLITE_BUSY` */
const BUSY = 5;

export interface StartLock {
  release(): void;
}

/**
 * One starter per data folder: undefined while another holds it. The operating system lets go of the lock when its holder ends,
 * however it ends; a file with a pid in it could be stale, and two starts could both think so.
 */
export function takeStartLock(file: string): StartLock | undefined {
  const database = new DatabaseSync(file);
  try {
    database.exec('begin exclusive');
  } catch (cause) {
    database.close();
    if ((cause as { errcode?: number }).errcode === BUSY) return undefined;
    throw cause;
  }
  return { release: () => database.close() };
}
