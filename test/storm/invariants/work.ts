import type { Evidence, InstallRow } from '../evidence.ts';
import { expected, promiseOf, type Kind, type Sent } from '../record.ts';
import { each, together, type Checked, type Invariant } from './invariant.ts';

/** Requests for the same thing, together. */
function grouped({ sent }: Evidence, kind: Kind, by: (sent: Sent) => string): [string, Sent[]][] {
  return [
    ...Map.groupBy(
      sent.filter((one) => one.kind === kind),
      by,
    ),
  ];
}

const about =
  (name: string) =>
  (sent: Sent): string =>
    sent.about[name] ?? '';
const byMark = ({ mark }: Sent): string => mark;

/** Acknowledged and there, refused and not there. */
function thereOrNot(groups: [string, Sent[]][], isThere: (name: string, sent: Sent[]) => boolean): Checked {
  return each(groups, ([name, sent]) => {
    const there = isThere(name, sent);
    const wanted = expected(sent);
    if (wanted === 'there' && !there) return 'it was acknowledged and is not there';
    return wanted === 'absent' && there ? 'it was refused and is there' : undefined;
  });
}

/** Its end is in the answer too, so that a 422 is none of a refusal. */
const isEnd = ({ status }: Sent): boolean => status === 422;

export const writesAreAsAnswered: Invariant = {
  name: 'what was acknowledged is there, and what was refused is not: tenants, keys, uploads',
  check: (evidence) =>
    together(
      thereOrNot(grouped(evidence, 'tenant', byMark), (name) =>
        evidence.tenants.some((row) => row.name === name),
      ),
      thereOrNot(grouped(evidence, 'key', byMark), (name) => evidence.keys.some((row) => row.name === name)),
      thereOrNot(grouped(evidence, 'upload', byMark), (name) =>
        evidence.uploads.some(({ filename }) => filename === name),
      ),
      thereOrNot(grouped(evidence, 'revoke', about('keyId')), (id) =>
        evidence.keys.some((row) => row.id === id && row.revoked),
      ),
      thereOrNot(grouped(evidence, 'abort', about('uploadId')), (id) =>
        evidence.uploads.some(({ uploadId, status }) => uploadId === id && status === 'aborted'),
      ),
    ),
};

export const publishesAreAsAnswered: Invariant = {
  name: 'a publish that was acknowledged made its version once, one that was refused made none',
  check: (evidence) =>
    each(grouped(evidence, 'publish', about('uploadId')), ([uploadId, sent]) => {
      const upload = evidence.uploads.find((row) => row.uploadId === uploadId);
      const versions = evidence.versions.filter((row) => row.uploadId === uploadId).length;
      if (versions > 1) return `it made ${versions} versions`;
      const status = upload?.status ?? 'gone';
      if ((status === 'published') !== (versions === 1)) return `it is ${status} with ${versions} versions`;
      if (sent.some(isEnd)) return status === 'rejected' ? undefined : `it was answered 422 and is ${status}`;
      const wanted = expected(sent);
      if (wanted === 'there' && status !== 'published') return `it was acknowledged and is ${status}`;
      return wanted === 'absent' && status !== 'uploading' ? `it was refused and is ${status}` : undefined;
    }),
};

const installOf = (evidence: Evidence, sent: readonly Sent[]): InstallRow | undefined =>
  evidence.installs.find(({ tenantId, extension }) =>
    sent.some(
      (one) => one.tenantId === tenantId && (one.json as { extension: string }).extension === extension,
    ),
  );

export const installsAreAsAnswered: Invariant = {
  name: 'an install that was acknowledged is there with its config and secret, one that was refused is not',
  check: (evidence) =>
    each(grouped(evidence, 'install', byMark), ([mark, sent]) => {
      const install = installOf(evidence, sent);
      const wanted = expected(sent);
      if (!install) return wanted === 'there' ? 'it was acknowledged and is not there' : undefined;
      if (wanted === 'absent') return `it was refused and is ${install.status}`;
      if (install.status !== 'active') return undefined;
      const secret = evidence.secrets.find(({ installId }) => installId === install.installId)?.value;
      const greeting = install.config?.['greeting'];
      return greeting === mark && secret === mark
        ? undefined
        : `its greeting is ${String(greeting)}, its secret ${secret ?? 'not set'}`;
    }),
};

export const sameRequestsMeet: Invariant = {
  name: 'the same install, sent again, joins the first',
  check: (evidence) =>
    each(grouped(evidence, 'install', byMark), ([, sent]) => {
      const ids = new Set(
        sent
          .filter((one) => ['done', 'begun'].includes(promiseOf(one)))
          .map(({ answer }) => (answer as { installId: string }).installId),
      );
      const [tenantId] = sent.map((one) => one.tenantId);
      const rows = evidence.installs.filter((row) => row.tenantId === tenantId).length;
      if (rows > 1) return `there are ${rows} installs`;
      return ids.size <= 1 ? undefined : `it was told of ${[...ids].join(' and ')}`;
    }),
};

export const decisionsHold: Invariant = {
  name: 'a decision on consent that was acknowledged is what happened, one that was refused did nothing',
  check: (evidence) =>
    each(grouped(evidence, 'consent', byMark), ([, sent]) => {
      const [{ tenantId, about: told }] = sent as [Sent, ...Sent[]];
      const status = evidence.installs.find((row) => row.tenantId === tenantId)?.status ?? 'gone';
      const after = told['decision'] === 'grant' ? 'active' : 'declined';
      const wanted = expected(sent);
      if (wanted === 'there' && status !== after) return `it was decided and the install is ${status}`;
      if (wanted === 'absent' && status === after) return `it was refused and the install is ${status}`;
      return ['awaiting-consent', after].includes(status) ? undefined : `the install is ${status}`;
    }),
};

export const goodWorkSucceeds: Invariant = {
  name: 'no disturbance fails what is good for good: bundles are published, installs end as their admin decided',
  check: (evidence) =>
    together(
      each(evidence.installs, ({ status, error }) =>
        status === 'failed' ? `it failed with ${error?.code ?? ''}: ${error?.message ?? ''}` : undefined,
      ),
      each(evidence.uploads, ({ uploadId, status, error }) => {
        const isBroken = evidence.sent.some(
          (sent) => sent.about['uploadId'] === uploadId && sent.about['broken'] !== undefined,
        );
        if (status === 'failed') return `it failed with ${error?.code ?? ''}: ${error?.message ?? ''}`;
        if (isBroken) return status === 'published' ? 'a broken bundle was published' : undefined;
        return status === 'rejected'
          ? `it was rejected with ${error?.code ?? ''}: ${error?.message ?? ''}`
          : undefined;
      }),
    ),
};

const ENDED = [
  ...['published', 'rejected', 'aborted'],
  ...['active', 'paused', 'disabled', 'uninstalled', 'declined', 'awaiting-consent', 'awaiting-settings'],
];

export const acceptedWorkEnds: Invariant = {
  name: 'the URL of every 202 is there at once, and shows an end when the storm is over',
  check(evidence) {
    const reads = evidence.sent.filter(({ kind, about: told }) => kind === 'read' && !('keyId' in told));
    const last = new Map(
      reads.filter(({ about: told }) => told['when'] === 'after').map((sent) => [sent.route, sent]),
    );
    return together(
      each(reads, ({ status, code }) => (status === 404 ? `it answered 404 ${code ?? ''}` : undefined)),
      each(
        evidence.sent.filter(({ status }) => status === 202),
        (sent) => {
          const shown = last.get(sent.location ?? '');
          if (shown?.status !== 200) return `its URL answers ${shown?.status ?? 'nothing'}`;
          if (sent.kind === 'config' || sent.kind === 'secrets') return undefined; // the value as it is
          const { status } = shown.answer as { status?: string };
          return ENDED.includes(status ?? '') ? undefined : `it shows ${status ?? 'no status'}`;
        },
      ),
    );
  },
};

export const keysOpenWhatTheySay: Invariant = {
  name: 'a key opens from the moment it is shown until it is revoked',
  check: (evidence) =>
    each(
      evidence.sent.filter(({ about: told }) => told['when'] === 'made' || told['when'] === 'revoked'),
      ({ status, about: told }) => {
        if (told['when'] === 'made') return status === 401 ? 'it was refused' : undefined;
        return status === 200 ? 'it still opened' : undefined;
      },
    ),
};
