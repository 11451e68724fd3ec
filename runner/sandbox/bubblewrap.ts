/** Descriptors that bubblewrap itself reads from and writes to; it closes them before the sandbox begins. */
export const SECCOMP_FD = 4;
export const INFO_FD = 5;

/** Nobody's, in the sandbox's own space of users. */
const NOBODY = '65534';

/**
 * Arguments with which bubblewrap starts the command after them with namespaces of its own, in which there is nothing but the readable files: no `/proc`, no `/dev`, no network but
 * a loopback of its own, no other process, no capability, and none to be gained.
 */
export function bubblewrap(readable: readonly string[]): string[] {
  return [
    '--unshare-user',
    '--unshare-pid',
    '--unshare-net',
    '--unshare-ipc',
    '--unshare-uts',
    '--unshare-cgroup',
    ...['--uid', NOBODY, '--gid', NOBODY, '--hostname', 'sandbox'],
    ...['--cap-drop', 'ALL'],
    '--clearenv',
    '--die-with-parent',
    '--as-pid-1', // else a process of bubblewrap's would stand between, whose end takes longer to be known
    ...readable.flatMap((file) => ['--ro-bind', file, file]),
    ...['--remount-ro', '/', '--chdir', '/'],
    ...['--seccomp', String(SECCOMP_FD), '--info-fd', String(INFO_FD)],
    '--',
  ];
}

let libraries: readonly string[] | undefined;

/** Node's program and the shared libraries that it was linked to: what must be readable before anything of ours is. */
export function nodeFiles(): readonly string[] {
  // Addons are of the supervisor alone, and what has no path is the kernel's.
  libraries ??= sharedObjects().filter((file) => file.startsWith('/') && !file.endsWith('.node'));
  return [process.execPath, ...libraries];
}

function sharedObjects(): string[] {
  const report = process.report as typeof process.report & { excludeNetwork: boolean };
  const before = report.excludeNetwork;
  report.excludeNetwork = true; // takes seconds where names are resolved slowly
  const found = (report.getReport() as { sharedObjects: string[] }).sharedObjects;
  report.excludeNetwork = before;
  return found;
}

/** What bubblewrap says on INFO_FD; undefined until it has said all. */
export function sandboxPid(info: string): number | undefined {
  try {
    const pid = (JSON.parse(info) as { 'child-pid'?: unknown })['child-pid'];
    return typeof pid === 'number' ? pid : undefined;
  } catch {
    return undefined; // not all of it is there
  }
}
