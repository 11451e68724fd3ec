import type { Evidence } from '../evidence.ts';
import { promiseOf } from '../record.ts';
import { each, together, type Invariant } from './invariant.ts';

const MIB = 1024 * 1024;
/** A role's own; far above what any needs, far below what a leak reaches in a storm. */
const MOST = { residentBytes: 1_500 * MIB, openFiles: 1_000 };
/** A draft waits this long for a workflow to take it up. */
const DRAFT_MS = 60 * 60_000;
/** Bytes that nobody waits for stay in staging this long. */
const STAGED_MS = 60 * 60_000;

export const platformComesToRest: Invariant = {
  name: 'after the storm every process is ready, and no workflow runs but for a person',
  check: (evidence) => ({
    count: evidence.running.length + evidence.roles.length,
    violations: evidence.noise.map((what) => ({ what, evidence: evidence.running })),
  }),
};

export const waitsHaveTheirInstall: Invariant = {
  name: 'a wait for a person belongs to an install that waits, and every such install has its wait',
  check(evidence) {
    const waiting = evidence.installs.filter(({ waitingFor }) => waitingFor !== null);
    const waits = evidence.running.filter(({ type }) => ['awaitConsent', 'awaitSettings'].includes(type));
    const installOf = (workflowId: string): string => workflowId.split(':')[1] ?? '';
    return together(
      each(waits, ({ workflowId }) =>
        waiting.some(({ installId }) => installId === installOf(workflowId))
          ? undefined
          : 'no install waits for it',
      ),
      each(waiting, ({ installId }) =>
        waits.some(({ workflowId }) => installOf(workflowId) === installId)
          ? undefined
          : 'nothing waits for it',
      ),
    );
  },
};

export const noRowIsStuck: Invariant = {
  name: 'no row is on its way without a workflow that moves it',
  check: ({ installs, uploads, running, noise }) =>
    together(
      each(installs, ({ status, operation }) => {
        if (running.length > 0 && noise.length > 0) return undefined; // said already
        return operation !== null || status === 'installing'
          ? `it is ${status}, and nothing runs`
          : undefined;
      }),
      each(uploads, ({ status }) =>
        ['verifying', 'precompiling', 'registering'].includes(status)
          ? `it is ${status}, and nothing runs`
          : undefined,
      ),
    ),
};

export const draftsStandForOpenRequests: Invariant = {
  name: 'a draft is left only by a request of unknown outcome or one that waits for a person, and not past its hour',
  check(evidence) {
    const possible = new Set(
      [...evidence.sent, ...evidence.led.sent]
        .filter((sent) => ['begun', 'unknown'].includes(promiseOf(sent)))
        .map(({ mark }) => mark),
    );
    const waiting = new Set(
      evidence.installs.filter(({ waitingFor }) => waitingFor !== null).map(({ installId }) => installId),
    );
    return each(evidence.drafts, ({ installId, config, ageMs, expired }) => {
      if (waiting.has(installId)) return undefined;
      if (config === null && expired) return undefined;
      if (ageMs > DRAFT_MS) return `it is ${Math.round(ageMs / 1000)} s old`;
      const greeting = config?.['greeting'];
      // One of secrets alone does not say whose it is.
      if (typeof greeting !== 'string') return undefined;
      return possible.has(greeting)
        ? undefined
        : `the request of ${greeting} was answered, and its draft is there`;
    });
  },
};

export const usageIsTheSum: Invariant = {
  name: 'what an install is counted to store is the sum of its records',
  check({ records, usage }) {
    const name = ({ installId, namespace }: { installId: string; namespace: string }): string =>
      `${installId}/${namespace}`;
    const sums = Map.groupBy(records, name);
    return together(
      each(usage, (row) => {
        const own = sums.get(name(row)) ?? [];
        const bytes = own.reduce((sum, { value }) => sum + Buffer.byteLength(value), 0);
        return own.length === row.keys && bytes === row.bytes
          ? undefined
          : `there are ${own.length} records of ${bytes} bytes`;
      }),
      each([...sums.keys()], (key) =>
        usage.some((row) => name(row) === key) ? undefined : 'its records are not counted',
      ),
    );
  },
};

export const houseIsKept: Invariant = {
  name: 'housekeeping does all its parts, and finds nothing that Temporal has lost',
  check: ({ swept }) =>
    each(Object.entries(swept), ([part, outcome]) => {
      if ('error' in outcome) return `${part} failed with ${outcome.error.code}: ${outcome.error.message}`;
      return ['installs', 'publishes'].includes(part) && outcome.count > 0
        ? `${outcome.count} ${part} were ended`
        : undefined;
    }),
};

export const stagingHoldsOpenUploads: Invariant = {
  name: 'staging holds the bytes of open uploads, or of ones whose end was cut off, and those not past their hour',
  check({ staged, uploads, sent }) {
    const cutOff = new Set(
      sent.filter((one) => promiseOf(one) !== 'done').map(({ about }) => about['uploadId']),
    );
    return each(staged, ({ file, ageMs }) => {
      if (ageMs > STAGED_MS) return `it is ${Math.round(ageMs / 1000)} s old`;
      // A write that was cut off leaves a name that begins with a dot.
      if (file.split('/').at(-1)?.startsWith('.')) return undefined;
      const upload = uploads.find(({ uploadId }) => file.endsWith(`/${uploadId}`));
      if (!upload) return 'there is no such upload';
      return upload.status === 'uploading' || cutOff.has(upload.uploadId)
        ? undefined
        : `its upload is ${upload.status}`;
    });
  },
};

export const noChildIsOrphaned: Invariant = {
  name: 'no sandbox and no precompile child outlives its parent',
  check: ({ orphans, roles }) => ({
    count: roles.length,
    violations: orphans.map((child) => ({ what: 'it runs without its parent', evidence: child })),
  }),
};

export const processesStaySmall: Invariant = {
  name: `a process holds less than ${MOST.residentBytes / MIB} MiB and ${MOST.openFiles} open files`,
  check: ({ roles }) =>
    each(roles, ({ residentBytes, openFiles }) => {
      if (residentBytes > MOST.residentBytes) return `it holds ${Math.round(residentBytes / MIB)} MiB`;
      return (openFiles ?? 0) > MOST.openFiles ? `it holds ${openFiles ?? 0} files open` : undefined;
    }),
};

export const tenantsAreApart: Invariant = {
  name: 'what a tenant holds is its own: records, config, secrets',
  check(evidence: Evidence) {
    const names = new Map(evidence.tenants.map(({ tenantId, name }) => [tenantId, name]));
    // Every mark begins with the name of its tenant.
    const foreign = (tenantId: string, mark: string): string | undefined => {
      const name = names.get(tenantId) ?? '';
      return mark === name || mark.startsWith(`${name}.`) ? undefined : `${mark} is not of ${name}`;
    };
    const storm = evidence.installs.filter(({ extension }) => extension.startsWith('alga.storm'));
    const isStorm = ({ installId }: { installId: string }): boolean =>
      storm.some((install) => install.installId === installId);
    return together(
      each(evidence.records.filter(isStorm), ({ tenantId, key }) => foreign(tenantId, key)),
      each(evidence.secrets.filter(isStorm), ({ tenantId, value }) => foreign(tenantId, value)),
      each(storm, ({ tenantId, config }) => {
        const greeting = config?.['greeting'];
        return typeof greeting === 'string' ? foreign(tenantId, greeting) : undefined;
      }),
    );
  },
};

export const noAnswerIsInternal: Invariant = {
  name: 'nobody is told of an internal error: every disturbance has a code of its own',
  check: ({ sent, led }) =>
    each([...sent, ...led.sent], ({ status, code }) => (status === 500 ? (code ?? 'no code') : undefined)),
};
