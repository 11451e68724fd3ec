// The system calls that a sandbox under bubblewrap may make, as a program for the kernel's filter (seccomp(2), BPF). A list of what Node needs to
// compute and to speak through the sockets it was given, and nothing else: it opens files for reading alone, starts threads and no
// processes, opens no socket, gets no descriptor from anybody, sends no signal to others, changes no limit and no namespace. io_uring is not in it: it
// makes calls that no filter sees.

/** Machines that the filter is written for. */
export type Machine = 'x64' | 'arm64';

/** Numbers of a call: x86-64 (`asm/unistd_64.h`), then AArch64 (`asm-generic/unistd.h`), which lacks some. */
type Numbers = readonly [x64: number, arm64?: number];

const ALLOWED: Readonly<Record<string, Numbers>> = {
  // The hottest first: the kernel goes through the list from its beginning, where it does not remember the answer.
  futex: [202, 98],
  epoll_pwait: [281, 22],
  read: [0, 63],
  write: [1, 64],
  writev: [20, 66],
  mprotect: [10, 226],
  madvise: [28, 233],
  mmap: [9, 222],
  munmap: [11, 215],
  mremap: [25, 216],
  brk: [12, 214],
  pkey_mprotect: [329, 288],
  pkey_alloc: [330, 289],
  pkey_free: [331, 290],
  getrusage: [98, 165],
  getrandom: [318, 278],
  clock_gettime: [228, 113],
  clock_getres: [229, 114],
  clock_nanosleep: [230, 115],
  nanosleep: [35, 101],
  gettimeofday: [96, 169],
  epoll_create1: [291, 20],
  epoll_ctl: [233, 21],
  epoll_wait: [232],
  poll: [7],
  ppoll: [271, 73],
  eventfd2: [290, 19],
  pipe2: [293, 59],
  close: [3, 57],
  lseek: [8, 62],
  pread64: [17, 67],
  fstat: [5, 80],
  newfstatat: [262, 79],
  statx: [332, 291],
  access: [21],
  faccessat: [269, 48],
  readlink: [89],
  readlinkat: [267, 78],
  getcwd: [79, 17],
  getsockname: [51, 204],
  getsockopt: [55, 209],
  shutdown: [48, 210],
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  rt_sigreturn: [15, 139],
  sigaltstack: [131, 132],
  restart_syscall: [219, 128],
  tgkill: [234, 131], // how abort() ends; within its own namespace of processes
  exit: [60, 93],
  exit_group: [231, 94],
  set_robust_list: [273, 99],
  set_tid_address: [218, 96],
  rseq: [334, 293],
  membarrier: [324, 283],
  sched_yield: [24, 124],
  sched_getaffinity: [204, 123],
  sched_getparam: [143, 121],
  sched_getscheduler: [145, 120],
  getcpu: [309, 168],
  getpid: [39, 172],
  getppid: [110, 173],
  gettid: [186, 178],
  getuid: [102, 174],
  geteuid: [107, 175],
  getgid: [104, 176],
  getegid: [108, 177],
  capget: [125, 90],
  uname: [63, 160],
  sysinfo: [99, 179],
  arch_prctl: [158],
  execve: [59, 221], // how the sandbox itself begins; there is no other program in its sight
};

/** Bits of an argument (its lower half) under a mask must be one of `values`. */
interface Condition {
  argument: number;
  mask?: number;
  values: readonly number[];
}

const CLONE_THREAD = 0x1_0000;
const CLONE_NEW = 0x7e02_0000; // mount, cgroup, uts, ipc, user, pid, net
const OPEN_TO_WRITE = 0x40_0243; // O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_TMPFILE

const CONDITIONAL: Readonly<Record<string, { numbers: Numbers; conditions: readonly Condition[] }>> = {
  openat: { numbers: [257, 56], conditions: [{ argument: 2, mask: OPEN_TO_WRITE, values: [0] }] },
  clone: {
    numbers: [56, 220],
    conditions: [{ argument: 0, mask: CLONE_THREAD | CLONE_NEW, values: [CLONE_THREAD] }],
  },
  // F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
  fcntl: { numbers: [72, 25], conditions: [{ argument: 1, values: [1, 2, 3, 4, 1030] }] },
  // TCGETS, FIONREAD, FIONBIO, FIOCLEX
  ioctl: { numbers: [16, 29], conditions: [{ argument: 1, values: [0x5401, 0x541b, 0x5421, 0x5451] }] },
  // PR_SET_NAME, PR_SET_VMA
  prctl: { numbers: [157, 167], conditions: [{ argument: 0, values: [15, 0x5356_4d41] }] },
  // To read limits: of itself, with nothing to set.
  prlimit64: {
    numbers: [302, 261],
    conditions: [
      { argument: 0, values: [0] },
      { argument: 2, values: [0] },
    ],
  },
};

const AUDIT_ARCH: Readonly<Record<Machine, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7 };
/** Calls of x86-64's other interface, x32, have this bit set. */
const X32_BIT = 0x4000_0000;

const KILL_PROCESS = 0x8000_0000;
const ALLOW = 0x7fff_0000;
/** What a kernel says that lacks the call: libraries then do without (clone3, io_uring), as they would on an older one. */
const NO_SUCH_CALL = 0x0005_0000 + 38; // SECCOMP_RET_ERRNO with ENOSYS

interface Instruction {
  code: number;
  /** Instructions to skip when the comparison holds, and when not. */
  ifTrue?: number;
  ifFalse?: number;
  value: number;
}

const load = (offset: number): Instruction => ({ code: 0x20, value: offset });
const and = (mask: number): Instruction => ({ code: 0x54, value: mask });
const answer = (action: number): Instruction => ({ code: 0x06, value: action });
const skipUnless = (value: number, ifFalse: number): Instruction => ({ code: 0x15, ifFalse, value });
const skipIf = (value: number, ifTrue: number): Instruction => ({ code: 0x15, ifTrue, value });
const skipIfBelow = (value: number, ifFalse: number): Instruction => ({ code: 0x35, ifFalse, value });

// struct seccomp_data: number of the call, architecture, instruction pointer, arguments of 64 bits; both machines have the lower half first.
const CALL = 0;
const ARCHITECTURE = 4;
const argumentAt = (index: number): number => 16 + 8 * index;

/** Answers ENOSYS unless the condition holds, and goes on otherwise. Where `values` is 0 alone, the upper half must be 0 as well. */
function check({ argument, mask, values }: Condition): Instruction[] {
  const isNull = mask === undefined && values.length === 1 && values[0] === 0;
  return [
    ...(isNull ? [load(argumentAt(argument) + 4), skipIf(0, 1), answer(NO_SUCH_CALL)] : []),
    load(argumentAt(argument)),
    ...(mask === undefined ? [] : [and(mask)]),
    ...values.map((value, index) => skipIf(value, values.length - index)),
    answer(NO_SUCH_CALL),
  ];
}

/** The filter as the kernel takes it (`struct sock_filter[]`), for a process of this machine's own kind alone. */
export function seccompFilter(machine: Machine): Buffer {
  const column = machine === 'x64' ? 0 : 1;
  const program = [
    load(ARCHITECTURE),
    skipIf(AUDIT_ARCH[machine], 1),
    answer(KILL_PROCESS),
    load(CALL),
    ...(machine === 'x64' ? [skipIfBelow(X32_BIT, 1), answer(KILL_PROCESS)] : []),
  ];
  for (const numbers of Object.values(ALLOWED)) {
    const number = numbers[column];
    if (number !== undefined) program.push(skipUnless(number, 1), answer(ALLOW));
  }
  for (const { numbers, conditions } of Object.values(CONDITIONAL)) {
    const number = numbers[column];
    if (number === undefined) continue;
    const body = [...conditions.flatMap(check), answer(ALLOW)];
    program.push(skipUnless(number, body.length), ...body);
  }
  program.push(answer(NO_SUCH_CALL));
  return Buffer.concat(program.map(encode));
}

function encode({ code, ifTrue = 0, ifFalse = 0, value }: Instruction): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(ifTrue, 2);
  bytes.writeUInt8(ifFalse, 3);
  bytes.writeUInt32LE(value, 4);
  return bytes;
}
