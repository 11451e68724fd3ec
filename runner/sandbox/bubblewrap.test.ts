import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { testedIsolations } from '../../test/support/isolations.ts';
import { startBehindWalls } from './process.ts';

// What a guest could do that runs machine code of its own in its sandbox: perl stands in for it, because it makes any system call there is.

const PERL = '/usr/bin/perl';
const hasPerl = process.arch === 'x64' && existsSync(PERL);
const isTested = (await testedIsolations()).includes('bubblewrap') && (hasPerl || process.env['CI']);
const itWithPerl = isTested ? it : it.skip;
const ENOSYS = '38';

/** Runs a script behind the walls, with all of the machine's libraries in sight; answers its lines. */
async function inWalls(script: string): Promise<string[]> {
  const prelude = `open(my $channel, '>&=', 3) or die; select($channel); $| = 1;
    sub said { my ($name, $result) = @_; print "$name ", ($result == -1 ? $! + 0 : "worked:$result"), "\\n"; }`;
  const libraries = ['/usr/lib', '/lib', '/lib64'].filter((folder) => existsSync(folder));
  const folder = mkdtempSync(path.join(os.tmpdir(), 'walls-'));
  const file = path.join(folder, 'script.pl');
  writeFileSync(file, prelude + script);
  try {
    const started = startBehindWalls([PERL, file], [PERL, file, ...libraries]);
    const errors = text(started.child.stderr as Readable);
    const [said] = await Promise.all([text(started.channel), once(started.child, 'exit')]);
    expect(await errors).toBe('');
    return said.trimEnd().split('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('machine code behind the walls', () => {
  itWithPerl('makes no system call that opens a way out', async () => {
    const calls = {
      'socket(AF_INET)': '41, 2, 1, 0',
      'socket(AF_UNIX)': '41, 1, 1, 0',
      'socket(AF_NETLINK)': '41, 16, 3, 0',
      socketpair: '53, 1, 1, 0, $buffer',
      fork: '57',
      vfork: '58',
      'clone(SIGCHLD)': '56, 17, 0, 0, 0, 0',
      'clone(CLONE_NEWUSER)': '56, 0x10000011, 0, 0, 0, 0',
      clone3: '435, $buffer, 88',
      unshare: '272, 0x10000000',
      setns: '308, 0, 0',
      ptrace: '101, 0, 0, 0, 0',
      process_vm_readv: '310, 1, $buffer, 1, $buffer, 1, 0',
      'kill(-1)': '62, -1, 9',
      pidfd_open: '434, 1, 0',
      mount: '165, $buffer, $buffer, $buffer, 0, 0',
      pivot_root: '155, $buffer, $buffer',
      chroot: '161, $buffer',
      bpf: '321, 0, $buffer, 0',
      perf_event_open: '298, $buffer, 0, -1, -1, 0',
      userfaultfd: '323, 0',
      io_uring_setup: '425, 8, $buffer',
      keyctl: '250, 0, 0, 0, 0, 0',
      memfd_create: '319, $buffer, 0',
      sendmsg: '46, 3, $buffer, 0',
      recvmsg: '47, 3, $buffer, 0',
      'open to write': '257, -100, $buffer, 0x41, 0644',
      setrlimit: '160, 7, $buffer',
      'prlimit64 to set': '302, 0, 7, $buffer, 0',
      'prctl(PR_SET_DUMPABLE)': '157, 4, 1, 0, 0, 0',
      'ioctl(TIOCSTI)': '16, 0, 0x5412, $buffer',
      sched_setaffinity: '203, 0, 8, $buffer',
      init_module: '175, $buffer, 0, $buffer',
      reboot: '169, 0, 0, 0, 0',
    };
    const script = Object.entries(calls).map(([name, call]) => `said('${name}', syscall(${call}));`);
    const said = await inWalls(`my $buffer = "/tmp/x\\0" . ("\\0" x 4096); ${script.join('\n')}`);
    expect(said).toEqual(Object.keys(calls).map((name) => `${name} ${ENOSYS}`));
  });

  itWithPerl('is nobody, alone, and sees no file but those it was given', async () => {
    const said = await inWalls(`
      print "pid $$, user $<, group ", $( + 0, "\\n";
      print "environment ", join(',', map { "$_=$ENV{$_}" } sort keys %ENV), "\\n";
      print "absent ", join(',', grep { !-e $_ } '/proc', '/sys', '/dev', '/etc', '/home', '/run', '/root', '/var'), "\\n";
      my $names = "\0" x 400; syscall(63, $names); print 'host ', unpack('Z*', substr($names, 65)), "\n";
    `);
    expect(said).toEqual([
      'pid 1, user 65534, group 65534',
      'environment PWD=/',
      'absent /proc,/sys,/dev,/etc,/home,/run,/root,/var',
      'host sandbox',
    ]);
  });

  itWithPerl('is killed when it calls by x32', async () => {
    expect(await inWalls(`syscall(0x40000000 + 39); print "worked";`)).toEqual(['']);
  });

  itWithPerl('inherits no descriptor but its channel and its output', async () => {
    const said = await inWalls(`print join(',', grep { -1 != syscall(72, $_, 1) } 0..64), "\\n";`);
    expect(said).toEqual(['0,1,2,3']);
  });
});
