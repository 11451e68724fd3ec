import { brokenClaims } from '../../model/claims.ts';
import { canLeadTo, sentAbout } from '../../model/expectations.ts';
import { promiseOf, type Sent } from '../record.ts';
import { each, type Invariant } from './invariant.ts';

const SERVES = ['active'];

export const livesAreAsAnswered: Invariant = {
  name: 'an install that is led through its life is what the answers to its admin lead to',
  check: ({ led }) =>
    each(led.installs, (install) =>
      canLeadTo(sentAbout(install, led.sent), install.status) ? undefined : `it is ${install.status}`,
    ),
};

export const livesAreWhole: Invariant = {
  name: 'an install that is led through its life is at rest, with what is its own and nothing else',
  check: ({ led }) => ({
    count: led.installs.length,
    violations: brokenClaims(led).map(({ claim, what, install }) => ({
      what: `${claim}: but ${what}`,
      evidence: install,
    })),
  }),
};

export const stoppedInstallsServeNobody: Invariant = {
  name: 'an install that was stopped serves no call, and one that serves is there',
  check: ({ led }) =>
    each(
      led.sent.filter(({ kind, about }) => kind === 'try' && about['status'] !== 'unknown'),
      ({ status = 0, code, about }) => {
        const { status: was = '' } = about;
        if (!SERVES.includes(was)) return status > 0 && status < 400 ? `it was ${was} and served` : undefined;
        return status === 404 || code === 'INSTALL_PAUSED' ? `it was ${was} and refused` : undefined;
      },
    ),
};

export const lastVersionServes: Invariant = {
  name: 'an install has the version that the last change of it was acknowledged with',
  check: ({ led }) =>
    each(led.installs, (install) => {
      const changes = sentAbout(install, led.sent).filter(mayChangeVersion);
      const last = changes.findLastIndex((sent) => promiseOf(sent) === 'done');
      // What came after it, or was begun before and not seen to end, may have changed it again.
      const isOpen = changes.some(
        (sent, at) => promiseOf(sent) !== 'refused' && (at > last || promiseOf(sent) !== 'done'),
      );
      if (last === -1 || isOpen || install.version === null) return undefined;
      const { version } = (changes[last] as Sent).answer as { version: string };
      return version === install.version ? undefined : `it has ${install.version} and not ${version}`;
    }),
};

const CHANGES: readonly Sent['kind'][] = ['install', 'upgrade', 'rollback', 'consent', 'config', 'secrets'];

/** Settings do where a version waits for them. Of an install that serves they are answered with their own stamp, a number. */
function mayChangeVersion({ kind, answer }: Sent): boolean {
  return CHANGES.includes(kind) && typeof (answer as { version?: unknown } | undefined)?.version !== 'number';
}

export const begunWorkIsFound: Invariant = {
  name: 'the address of an install that is led through its life is there from its first answer on',
  check: ({ led }) =>
    each(
      led.sent.filter(({ kind }) => kind === 'read'),
      ({ status, code }) => (status === 404 ? `it answered 404 ${code ?? ''}` : undefined),
    ),
};
