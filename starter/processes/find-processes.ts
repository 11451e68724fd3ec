import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Pids of the processes with these arguments, one after the other, in their command line. */
export function findProcesses(args: readonly string[]): number[] {
  return process.platform === 'linux' ? onLinux(args) : byPs(args);
}

// Not by ps: slim images have none.
function onLinux(args: readonly string[]): number[] {
  const wanted = `\0${args.join('\0')}\0`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => `\0${commandLine(pid)}`.includes(wanted));
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // ended meanwhile
  }
}

function byPs(args: readonly string[]): number[] {
  const { stdout } = spawnSync('ps', ['-axww', '-o', 'pid=,command='], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .filter((line) => `${line} `.includes(` ${args.join(' ')} `))
    .map((line) => Number.parseInt(line, 10));
}
