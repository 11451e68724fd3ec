import { closeSync, fstatSync, ftruncateSync, openSync, renameSync, writeSync } from 'node:fs';

const MAX_LINE_CHARACTERS = 64 * 1024;

export interface LogFile {
  /** Never throws. */
  write(line: string): void;
  close(): void;
}

export interface LogFileOptions {
  file: string;
  /** The file turns into `FILE.1`, in the place of the one before, rather than grow beyond this: together they take twice as much. */
  maxBytes: number;
  /** Told once when lines begin to be dropped. */
  onFault: (line: string) => void;
}

/**
 * Lines in a file of bounded size. What cannot be written, on a full disk for one, is dropped and counted; every line tries anew, and the
 * first that succeeds brings one that tells the count. Synchronous, so that whoever writes faster than the disk waits in its pipe,
 * and not in our memory.
 */
export function openLogFile({ file, maxBytes, onFault }: LogFileOptions): LogFile {
  let open: { fd: number; size: number } | undefined;
  let dropped = 0;
  let reason = '';

  const openFile = (): { fd: number; size: number } => {
    const fd = openSync(file, 'a', 0o600);
    return { fd, size: fstatSync(fd).size };
  };

  const close = (): void => {
    if (open) closeSync(open.fd);
    open = undefined;
  };

  const append = (line: string): void => {
    const bytes = Buffer.from(`${line}\n`);
    open ??= openFile();
    if (open.size > 0 && open.size + bytes.byteLength > maxBytes) {
      renameSync(file, `${file}.1`);
      close();
      open = openFile();
    }
    const { fd, size } = open;
    let at = 0;
    try {
      while (at < bytes.byteLength) at += writeSync(fd, bytes, at);
    } catch (err) {
      if (at > 0) ftruncateSync(fd, size); // there was room for a part of it
      throw err;
    }
    open.size += bytes.byteLength;
  };

  const tryTo = (line: string): boolean => {
    try {
      append(line);
      return true;
    } catch (err) {
      reason = (err as NodeJS.ErrnoException).code ?? String(err);
      close();
      return false;
    }
  };

  const told = (): string => note({ dropped, reason }, 'lines could not be written');

  return {
    write(line) {
      const text = line.slice(0, MAX_LINE_CHARACTERS);
      if (tryTo(dropped > 0 ? `${told()}\n${text}` : text)) {
        dropped = 0;
        return;
      }
      if (dropped === 0) onFault(note({ file, reason }, 'this log cannot be written: its lines are dropped'));
      dropped += 1;
    },
    close() {
      if (dropped > 0) tryTo(told());
      close();
    },
  };
}

/** As our processes write theirs. */
function note(fields: Record<string, unknown>, msg: string): string {
  return JSON.stringify({
    level: 'warn',
    time: new Date().toISOString(),
    process: 'starter',
    ...fields,
    msg,
  });
}
