import { describe, expect, it } from '@jest/globals';
import { seccompFilter, type Machine } from './seccomp.ts';

const ARCHITECTURES = { x64: 0xc000003e, arm64: 0xc00000b7, i386: 0x40000003 };
const KILL = 0x80000000;
const ALLOW = 0x7fff0000;
const ENOSYS = 0x00050026;

interface Call {
  number: number;
  architecture?: number;
  arguments?: bigint[];
}

/** Does what the kernel does with a filter, for the instructions that ours has. */
function decide(filter: Buffer, call: Call, machine: Machine): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(call.number, 0);
  data.writeUInt32LE(call.architecture ?? ARCHITECTURES[machine], 4);
  (call.arguments ?? []).forEach((value, index) => data.writeBigUInt64LE(value, 16 + 8 * index));
  let accumulator = 0;
  for (let at = 0; ; at += 8) {
    const code = filter.readUInt16LE(at);
    const value = filter.readUInt32LE(at + 4);
    const jump = (holds: boolean): number => 8 * filter.readUInt8(at + (holds ? 2 : 3));
    if (code === 0x06) return value;
    if (code === 0x20) accumulator = data.readUInt32LE(value);
    else if (code === 0x54) accumulator = (accumulator & value) >>> 0;
    else if (code === 0x15) at += jump(accumulator === value);
    else if (code === 0x35) at += jump(accumulator >= value);
    else throw new Error(`an instruction of ours that is none: ${code}`);
  }
}

// Numbers from the kernel's own tables, asm/unistd_64.h and asm-generic/unistd.h.
const NUMBERS = {
  x64: { read: 0, socket: 41, clone: 56, clone3: 435, openat: 257, prlimit64: 302, ioctl: 16, kill: 62, ptrace: 101, bpf: 321, io_uring_setup: 425, memfd_create: 319, sendmsg: 46, unshare: 272, mount: 165, prctl: 157 }, // prettier-ignore
  arm64: { read: 63, socket: 198, clone: 220, clone3: 435, openat: 56, prlimit64: 261, ioctl: 29, kill: 129, ptrace: 117, bpf: 280, io_uring_setup: 425, memfd_create: 279, sendmsg: 211, unshare: 97, mount: 40, prctl: 167 }, // prettier-ignore
};

describe.each(['x64', 'arm64'] as const)('the filter of system calls on %s', (machine) => {
  const filter = seccompFilter(machine);
  const numbers = NUMBERS[machine];
  const decideOn = (number: number, ...values: bigint[]): number =>
    decide(filter, { number, arguments: values }, machine);

  it('lets through what computing needs', () => {
    expect(decideOn(numbers.read)).toBe(ALLOW);
  });

  it.each([
    'socket', 'clone3', 'kill', 'ptrace', 'bpf', 'io_uring_setup', 'memfd_create', 'sendmsg', 'unshare', 'mount',
  ] as const)('does not know %s', (name) => {
    expect(decideOn(numbers[name])).toBe(ENOSYS);
  }); // prettier-ignore

  it('does not know a call that is not there yet', () => {
    for (const number of [440, 500, 1_000, 0x3fff_ffff]) expect(decideOn(number)).toBe(ENOSYS);
  });

  it('lets threads be made, and neither processes nor namespaces', () => {
    expect(decideOn(numbers.clone, 0x3d0f00n)).toBe(ALLOW); // as glibc makes a thread
    expect(decideOn(numbers.clone, 0x11n)).toBe(ENOSYS); // fork
    expect(decideOn(numbers.clone, 0x3d0f00n | 0x10000000n)).toBe(ENOSYS); // CLONE_NEWUSER
  });

  it('lets files be opened to read alone', () => {
    const AT_FDCWD = 0xffffff9cn;
    expect(decideOn(numbers.openat, AT_FDCWD, 0n, 0x80000n)).toBe(ALLOW); // O_RDONLY, O_CLOEXEC
    for (const flags of [0x1n, 0x2n, 0x40n, 0x200n, 0x410000n]) {
      expect(decideOn(numbers.openat, AT_FDCWD, 0n, flags)).toBe(ENOSYS);
    }
  });

  it('lets its own limits be read and none be set', () => {
    expect(decideOn(numbers.prlimit64, 0n, 7n, 0n)).toBe(ALLOW);
    expect(decideOn(numbers.prlimit64, 0n, 7n, 0x7fff_0000_0000n)).toBe(ENOSYS);
    expect(decideOn(numbers.prlimit64, 0n, 7n, 0x1000n)).toBe(ENOSYS);
    expect(decideOn(numbers.prlimit64, 17n, 7n, 0n)).toBe(ENOSYS);
  });

  it('lets a descriptor be made non-blocking, and no terminal be written to', () => {
    expect(decideOn(numbers.ioctl, 3n, 0x5421n)).toBe(ALLOW);
    expect(decideOn(numbers.ioctl, 0n, 0x5412n)).toBe(ENOSYS); // TIOCSTI
    expect(decideOn(numbers.prctl, 15n)).toBe(ALLOW); // PR_SET_NAME
    expect(decideOn(numbers.prctl, 4n)).toBe(ENOSYS); // PR_SET_DUMPABLE
  });

  it('kills a process that calls as another machine would', () => {
    for (const architecture of Object.values(ARCHITECTURES)) {
      if (architecture === ARCHITECTURES[machine]) continue;
      expect(decide(filter, { number: numbers.read, architecture }, machine)).toBe(KILL);
    }
  });
});

it('kills a process that calls by x32', () => {
  expect(decide(seccompFilter('x64'), { number: 0x4000_0000 }, 'x64')).toBe(KILL);
});
