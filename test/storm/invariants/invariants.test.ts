import { describe, expect, it } from '@jest/globals';
import type { Evidence } from '../evidence.ts';
import type { Kind, Sent } from '../record.ts';
import { calm, INSTALL, record, TENANT, UPLOAD } from './calm.ts';
import { checkAll } from './index.ts';

/** The request of a kind, the first of its kind. */
function of(evidence: Evidence, kind: Kind): Sent {
  const found = evidence.sent.find((sent) => sent.kind === kind);
  if (!found) throw new Error(`nothing was sent of ${kind}`);
  return found;
}

function answers(kind: Kind, status: number | undefined, code?: string) {
  return (evidence: Evidence): void => {
    for (const sent of evidence.sent.filter((one) => one.kind === kind)) {
      if (status === undefined) delete sent.status;
      else sent.status = status;
      if (code !== undefined) sent.code = code;
    }
  };
}

const first = <Row>(rows: readonly Row[]): Row => {
  const [row] = rows;
  if (row === undefined) throw new Error('there is no row');
  return row;
};

const tryOf = ({ led }: Evidence): Sent => first(led.sent.filter(({ kind }) => kind === 'try'));

/** What is spoiled, and the invariant that must tell. */
const CASES: [string, (evidence: Evidence) => void][] = [
  [
    'housekeeping does all its parts, and finds nothing that Temporal has lost',
    ({ swept }) => (swept.installs = { count: 1 }),
  ],
  [
    'a call answered 200 ran exactly once, and its effect is there',
    ({ records }) => (first(records).value = '2'),
  ],
  ['a call answered 200 ran exactly once, and its effect is there', ({ records }) => records.splice(0, 1)],
  [
    'a call whose outcome is unknown ran at most once',
    (evidence) => {
      answers('call', undefined)(evidence);
      first(evidence.records).value = '2';
    },
  ],
  ['a call answered 4xx or 503 did not run', answers('call', 503, 'RUNNER_UNAVAILABLE')],
  ['a counter that many count up loses none and doubles none', ({ records }) => records.splice(1, 1)],
  [
    'a counter that many count up loses none and doubles none',
    ({ records }) => ((records[1] = record(TENANT, INSTALL, 'south.shared')), (records[1].value = '3')),
  ],
  [
    'an answer is to what was asked, and the own tenant’s',
    (evidence) => (of(evidence, 'call').answer = { tenant: 'tenant-2', count: 1, greeting: '' }),
  ],
  ['an answer is to what was asked, and the own tenant’s', (evidence) => (of(evidence, 'echo').answer = {})],
  [
    'the row of an execution says what its caller was told',
    ({ executions }) => (first(executions).status = 'running'),
  ],
  [
    'the row of an execution says what its caller was told',
    ({ executions }) => executions.push(first(executions)),
  ],
  ['the row of an execution says what its caller was told', ({ executions }) => executions.splice(0, 1)],
  [
    'once the storm is over, calls and changes of config are done at once',
    (evidence) => ((evidence.sent.at(-1) ?? first(evidence.sent)).status = 404),
  ],
  [
    'the config of an install is the last that was acknowledged, or one of unknown outcome',
    ({ installs }) => (first(installs).config = { greeting: 'north.at-first' }),
  ],
  [
    'the secret of an install is the last that was acknowledged, or one of unknown outcome',
    ({ secrets }) => secrets.splice(0, 1),
  ],
  [
    'the stamps of config and secrets count the changes that were applied, and no refused one',
    ({ installs }) => (first(installs).configVersion = 3),
  ],
  [
    'a change of config that was sent after another was acknowledged has a stamp above that one’s',
    (evidence) => {
      const config = of(evidence, 'config');
      (evidence.sent as Sent[]).push({
        ...config,
        n: 99,
        at: 2_000,
        answer: { version: 1, config: { greeting: config.mark } },
      });
    },
  ],
  [
    'a change is told of its own config, and calls with its stamp are given it, and never a refused one',
    answers('config', 503),
  ],
  [
    'a change is told of its own config, and calls with its stamp are given it, and never a refused one',
    (evidence) =>
      (of(evidence, 'count').answer = { tenant: TENANT, greeting: 'north.other, you!', count: 1 }),
  ],
  [
    'what was acknowledged is there, and what was refused is not: tenants, keys, uploads',
    ({ keys }) => keys.pop(),
  ],
  [
    'what was acknowledged is there, and what was refused is not: tenants, keys, uploads',
    answers('tenant', 503),
  ],
  [
    'a publish that was acknowledged made its version once, one that was refused made none',
    ({ versions }) => versions.push(first(versions)),
  ],
  [
    'a publish that was acknowledged made its version once, one that was refused made none',
    answers('publish', 503),
  ],
  [
    'an install that was acknowledged is there with its config and secret, one that was refused is not',
    ({ secrets }) => secrets.pop(),
  ],
  [
    'an install that was acknowledged is there with its config and secret, one that was refused is not',
    answers('install', 503),
  ],
  [
    'the same install, sent again, joins the first',
    (evidence) => {
      const again = { ...of(evidence, 'install'), answer: { installId: 'install-9' } };
      (evidence.sent as Sent[]).push(again);
    },
  ],
  [
    'a decision on consent that was acknowledged is what happened, one that was refused did nothing',
    answers('consent', 503),
  ],
  [
    'no disturbance fails what is good for good: bundles are published, installs end as their admin decided',
    ({ uploads }) =>
      Object.assign(first(uploads), { status: 'failed', error: { code: 'INTERNAL', message: '' } }),
  ],
  ['the URL of every 202 is there at once, and shows an end when the storm is over', answers('read', 404)],
  ['a key opens from the moment it is shown until it is revoked', answers('read', 200)],
  [
    'after the storm every process is ready, and no workflow runs but for a person',
    ({ noise }) => noise.push('gateway is not ready'),
  ],
  [
    'a wait for a person belongs to an install that waits, and every such install has its wait',
    ({ running }) => running.pop(),
  ],
  [
    'no row is on its way without a workflow that moves it',
    ({ uploads }) => (first(uploads).status = 'verifying'),
  ],
  [
    'a draft is left only by a request of unknown outcome or one that waits for a person, and not past its hour',
    ({ drafts }) =>
      drafts.push({
        tenantId: TENANT,
        installId: INSTALL,
        kind: 'configure',
        config: { greeting: 'north.config' },
        ageMs: 1,
        expired: false,
      }),
  ],
  ['what an install is counted to store is the sum of its records', ({ usage }) => (first(usage).bytes = 3)],
  [
    'staging holds the bytes of open uploads, or of ones whose end was cut off, and those not past their hour',
    ({ staged }) => staged.push({ file: `staging/${TENANT}/${UPLOAD}`, ageMs: 1 }),
  ],
  [
    'no sandbox and no precompile child outlives its parent',
    ({ orphans }) => orphans.push({ pid: 9, parent: 1, command: 'node', residentBytes: 1 }),
  ],
  ['a process holds less than 1500 MiB and 1000 open files', ({ roles }) => (first(roles).openFiles = 2_000)],
  [
    'what a tenant holds is its own: records, config, secrets',
    ({ records }) => records.push(record(TENANT, INSTALL, 'south.call')),
  ],
  [
    'nobody is told of an internal error: every disturbance has a code of its own',
    answers('upload', 500, 'INTERNAL'),
  ],
  [
    'a change that was answered 202 was made, or its address shows that it was not, and not both',
    ({ applied }) => applied.pop(),
  ],
  [
    'a change that was answered 202 was made, or its address shows that it was not, and not both',
    (evidence) => {
      for (const sent of evidence.sent) {
        if (sent.route === '/secrets')
          sent.answer = { changeId: 'change-1', changes: [{ changeId: 'change-1' }] };
      }
    },
  ],
  [
    'an install that is led through its life is what the answers to its admin lead to',
    ({ led }) => (first(led.installs).status = 'active'),
  ],
  [
    'an install that is led through its life is at rest, with what is its own and nothing else',
    ({ led }) => (first(led.installs).changes = 1),
  ],
  [
    'an install that was stopped serves no call, and one that serves is there',
    (evidence) => (tryOf(evidence).about = { status: 'disabled' }),
  ],
  [
    'an install that was stopped serves no call, and one that serves is there',
    (evidence) => (tryOf(evidence).status = 404),
  ],
  [
    'an install has the version that the last change of it was acknowledged with',
    ({ led }) => (first(led.installs).version = '1.0.0'),
  ],
  [
    'the address of an install that is led through its life is there from its first answer on',
    ({ led }) => (first(led.sent.filter(({ kind }) => kind === 'read')).status = 404),
  ],
];

describe('the checker of a storm', () => {
  it('finds nothing where everything went well, and looks at something for each invariant but leftovers', () => {
    const findings = checkAll(calm());
    expect(findings.flatMap(({ violations }) => violations)).toEqual([]);
    const idle = findings.filter(({ count }) => count === 0).map(({ name }) => name);
    expect(idle).toEqual([
      'a call whose outcome is unknown ran at most once',
      'a call answered 4xx or 503 did not run',
      'a draft is left only by a request of unknown outcome or one that waits for a person, and not past its hour',
      'staging holds the bytes of open uploads, or of ones whose end was cut off, and those not past their hour',
    ]);
  });

  it.each(CASES)('finds a violation of: %s', (name, spoil) => {
    const evidence = calm();
    spoil(evidence);
    const violated = checkAll(evidence).filter(({ violations }) => violations.length > 0);
    expect(violated.map((finding) => finding.name)).toContain(name);
  });

  it('has a case for every invariant', () => {
    const names = checkAll(calm()).map(({ name }) => name);
    expect(new Set(CASES.map(([name]) => name))).toEqual(new Set(names));
  });
});
