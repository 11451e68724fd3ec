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
  name: 'a change of config that was sent after another was acknowledged has a stamp above that one’s',
  check: (evidence) =>
    each(changesByInstall(evidence, 'config'), ([, changes]) => {
      const done = changes.filter(({ status }) => status === 200);
      const stampOf = ({ answer }: Sent): number => (answer as { version: number }).version;
      const wrong = done.find((sent) =>
        done.some((before) => before.answeredAt < sent.at && stampOf(before) >= stampOf(sent)),
      );
      return wrong && `${wrong.mark} was told ${stampOf(wrong)}, which is not above those before it`;
    }),
};

export const callsSeeOneConfigPerStamp: Invariant = {
  name: 'a change is told of its own config, and calls with its stamp are given it, and never a refused one',
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
    const changed = evidence.sent.filter(({ kind, status }) => kind === 'config' && status === 200);
    const seen = new Map<string, string>();
    return each([...changed, ...calls], (sent) => {
      const { version, greeting } = shownConfig(sent);
      if (refused.has(greeting)) return `it saw ${greeting}, which was refused`;
      if (sent.kind === 'config' && greeting !== sent.mark) return `it was told of ${greeting}`;
      const stamp = `${sent.tenantId}/${version}`;
      const before = seen.get(stamp) ?? greeting;
      seen.set(stamp, before);
      return before === greeting ? undefined : `config ${version} was ${before} and is ${greeting}`;
    });
  },
};

/** The config that a change was told of, or that the extension greeted with. */
function shownConfig({ kind, configVersion = 0, answer }: Sent): { version: number; greeting: string } {
  if (kind !== 'config') {
    const { greeting } = answer as { greeting: string };
    return { version: configVersion, greeting: greeting.split(',')[0] ?? '' };
  }
  const { version, config } = answer as { version: number; config: { greeting?: string } };
  return { version, greeting: config.greeting ?? '' };
}

export const acceptedChangesAreTold: Invariant = {
  name: 'a change that was answered 202 was made, or its address shows that it was not, and not both',
  check: (evidence) =>
    each(
      evidence.sent.filter(({ kind, status }) => status === 202 && (kind === 'config' || kind === 'secrets')),
      ({ location, answer }) => {
        const { changeId } = answer as { changeId: string };
        const read = evidence.sent.findLast(
          ({ route, about }) =>
            route === location && about['when'] === 'after' && about['installId'] === undefined,
        );
        const { changes = [] } = (read?.answer ?? {}) as { changes?: { changeId: string }[] };
        const isShown = changes.some((change) => change.changeId === changeId);
        const isMade = evidence.applied.includes(changeId);
        if (isMade && isShown) return 'it was made and is shown as if not';
        return isMade || isShown ? undefined : 'it was not made, and nothing says so';
      },
    ),
};
