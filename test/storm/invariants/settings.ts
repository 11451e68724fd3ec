import type { Evidence } from '../evidence.ts';
import { promiseOf, type Sent } from '../record.ts';
import { each, type Checked, type Invariant } from './invariant.ts';

/** Changes of one kind by install, in the order they were sent. */
function changesByInstall({ sent }: Evidence, kind: 'config' | 'secrets'): [string, Sent[]][] {
  const changes = sent.filter((one) => one.kind === kind).toSorted((a, b) => a.n - b.n);
  return [...Map.groupBy(changes, ({ about }) => about['installId'] ?? '')];
}

/**
 * The value must be of the last change that was acknowledged, or of one that may have been applied after it: that was begun, or whose
 * outcome nobody knows, whenever it was sent.
 */
function lastIsThere(
  changes: readonly Sent[],
  value: string | undefined,
  atFirst: string | undefined,
): string | undefined {
  const possible = changes
    .filter((sent) => ['begun', 'unknown'].includes(promiseOf(sent)))
    .map(({ mark }) => mark);
  const last = changes.findLast((sent) => promiseOf(sent) === 'done')?.mark ?? atFirst;
  return value === last || possible.includes(value ?? '')
    ? undefined
    : `it is ${value ?? 'not set'}, and the last acknowledged is ${last ?? 'none'}`;
}

export const acknowledgedConfigIsThere: Invariant = {
  name: 'the config of an install is the last that was acknowledged, or one of unknown outcome',
  check: (evidence) =>
    each(changesByInstall(evidence, 'config'), ([installId, changes]) => {
      const row = evidence.installs.find((install) => install.installId === installId);
      const greeting = row?.config?.['greeting'];
      const value = typeof greeting === 'string' ? greeting : undefined;
      const [name] = changes[0]?.mark.split('.') ?? [];
      return lastIsThere(changes, value, `${name ?? ''}.at-first`);
    }),
};

export const acknowledgedSecretsAreThere: Invariant = {
  name: 'the secret of an install is the last that was acknowledged, or one of unknown outcome',
  check: (evidence) =>
    each(changesByInstall(evidence, 'secrets'), ([installId, changes]) => {
      const secret = evidence.secrets.find((row) => row.installId === installId && row.name === 'TOKEN');
      return lastIsThere(changes, secret?.value, undefined);
    }),
};

export const stampsCountChanges: Invariant = {
  name: 'the stamps of config and secrets count the changes that were applied, and no refused one',
  check(evidence) {
    const counted = (kind: 'config' | 'secrets', stampOf: (installId: string) => number): Checked =>
      each(changesByInstall(evidence, kind), ([installId, changes]) => {
        const applied = stampOf(installId);
        // The same change sent twice at once is one if they met.
        const acknowledged = new Set(
          changes.filter((sent) => promiseOf(sent) === 'done').map(({ mark }) => mark),
        ).size;
        const possible = changes.filter((sent) => promiseOf(sent) !== 'refused').length;
        return applied >= acknowledged && applied <= possible
          ? undefined
          : `${applied} were applied, ${acknowledged} acknowledged, ${possible} at most begun`;
      });
    const row = (installId: string) => evidence.installs.find((one) => one.installId === installId);
    // The install's own are the first.
    const config = counted('config', (id) => (row(id)?.configVersion ?? 0) - 1);
    const secrets = counted('secrets', (id) => (row(id)?.secretsVersion ?? 0) - 1);
    return { count: config.count + secrets.count, violations: [...config.violations, ...secrets.violations] };
  },
};

export const acknowledgedStampsRise: Invariant = {
  name: 'an acknowledged change of config is shown, and its stamp is above those before',
  check: (evidence) =>
    each(changesByInstall(evidence, 'config'), ([, changes]) => {
      let last = 0;
      for (const sent of changes.filter(({ status }) => status === 200)) {
        const { version } = sent.answer as { version: number };
        if (version < last) return `${sent.mark} was told ${version} after ${last}`;
        last = version;
      }
      return undefined;
    }),
};

export const callsSeeOneConfigPerStamp: Invariant = {
  name: 'calls with the same config stamp were given the same config, and never a refused one',
  check(evidence) {
    const calls = evidence.sent.filter(
      ({ kind, status, configVersion }) =>
        (kind === 'call' || kind === 'count') && status === 200 && configVersion !== undefined,
    );
    const refused = new Set(
      changesByInstall(evidence, 'config').flatMap(([, changes]) => {
        const byMark = Map.groupBy(changes, ({ mark }) => mark);
        return [...byMark].flatMap(([mark, sent]) =>
          sent.every((one) => promiseOf(one) === 'refused') ? [mark] : [],
        );
      }),
    );
    const seen = new Map<string, string>();
    return each(calls, ({ tenantId, configVersion, answer }) => {
      const { greeting } = answer as { greeting: string };
      const word = greeting.split(',')[0] ?? '';
      if (refused.has(word)) return `it saw ${word}, which was refused`;
      const stamp = `${tenantId}/${configVersion ?? ''}`;
      const before = seen.get(stamp) ?? word;
      seen.set(stamp, before);
      return before === word ? undefined : `config ${configVersion ?? ''} was ${before} and is ${word}`;
    });
  },
};
