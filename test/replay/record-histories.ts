import { randomUUID } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { PublisherActivities } from '../../activities/publishers.ts';
import type { SweepActivities } from '../../activities/sweeps.ts';
import type { SignatureActivities } from '../../activities/signatures.ts';
import type { JudgedPage, TrustActivities } from '../../activities/trust.ts';
import { createWorkflowStarter } from '../../api/workflow-starter.ts';
import { PlatformError } from '../../core/errors.ts';
import {
  consentWorkflowId,
  installWorkflowId,
  LIFECYCLE_TASK_QUEUE,
  precompileWorkflowId,
  purgeWorkflowId,
  settingsWorkflowId,
} from '../../core/ids.ts';
import type { InstallPlace } from '../../platform/db/version-trust.ts';
import { createJudging } from '../../platform/temporal/judging.ts';
import { startRecompile } from '../../platform/temporal/start-recompile.ts';
import type { adoptTrustBundle } from '../../workflows/adopt-trust-bundle.ts';
import type { housekeeping } from '../../workflows/housekeeping.ts';
import { consentUpdate, settingsUpdate } from '../../workflows/messages.ts';
import {
  beginConfigure,
  beginInstall,
  fakeInstallActivities,
  installInput,
} from '../support/fake-install.ts';
import { beginOperation, beginVersion } from '../support/begin-operation.ts';
import { fakeLifecycleActivities, fakeVersionChangeActivities } from '../support/fake-lifecycle.ts';
import { ARTIFACT, beginPublish, CONTENT_HASH, fakePublishActivities } from '../support/fake-publish.ts';
import { startWorkflowEnvironment } from '../support/workflow-environment.ts';

// Records what replay.test.ts replays, on the server of TEST_TEMPORAL_ADDRESS: before a workflow changes, with a name for the code as it
// is. Commit what it writes; histories that are there stay, because runs like theirs may still be open.

const FOLDER = path.join(import.meta.dirname, 'histories');

const { positionals } = parseArgs({ allowPositionals: true });
const [version] = positionals;
if (version === undefined || !/^[a-z0-9][a-z0-9.-]*$/.test(version)) {
  throw new Error('usage: npm run record-histories -- <version>, such as 0.2.0 or before-probing-twice');
}
if (readdirSync(FOLDER).some((file) => file.endsWith(`-${version}.json`))) {
  throw new Error(
    `there are histories of ${version}, which must stay as they are: give the code another name`,
  );
}

interface Recordable {
  result(): Promise<unknown>;
  fetchHistory(): Promise<Parameters<typeof historyToJSON>[0]>;
}

const SWEEPS = [
  'sweepTrust',
  'sweepInstalls',
  'sweepVersions',
  'sweepPublishes',
  'sweepUploads',
  'sweepObjects',
  'sweepDrafts',
  'sweepExecutions',
  'sweepApiKeys',
  'sweepRecords',
] as const satisfies readonly (keyof SweepActivities)[];

/** Two pages of versions to judge, the first of which has installs to tell. */
const PAGES: readonly JudgedPage[] = [
  { revision: 2, judged: 2, quarantined: [randomUUID()], released: [randomUUID()], left: 1 },
  { revision: 2, judged: 1, quarantined: [], released: [], left: 0 },
];
let pages = PAGES;
const trusting: Record<
  keyof (TrustActivities & SignatureActivities & PublisherActivities),
  (input: never) => Promise<unknown>
> = {
  ...{
    addTrustKey: done,
    addSignature: done,
    revokeTrustKey: done,
    adoptTrustBundle: done,
    revokeVersion: done,
  },
  ...{ reportTrust: done, transferPublisher: done },
  judgeVersions: () => {
    const [page, ...more] = pages;
    pages = more;
    return Promise.resolve(page);
  },
  tellInstalls: ({ after }: { after?: InstallPlace }) =>
    Promise.resolve(
      after ? { told: 0 } : { told: 1, after: { tenantId: randomUUID(), installId: randomUUID() } },
    ),
};
function done(): Promise<void> {
  return Promise.resolve();
}

const install = fakeInstallActivities();
const lifecycle = fakeLifecycleActivities();
const changes = fakeVersionChangeActivities();
const publish = fakePublishActivities();
const environment = await startWorkflowEnvironment({
  ...install.activities,
  ...lifecycle.activities,
  ...changes.activities,
  ...publish.activities,
  ...trusting,
  ...Object.fromEntries(SWEEPS.map((name) => [name, () => Promise.resolve({ count: 1 })])),
  ...Object.fromEntries(
    ['hastenPurge', 'purgeExecutions', 'purgeRecords', 'finishPurge'].map((name) => [
      name,
      () => Promise.resolve(),
    ]),
  ),
  readPurge: () => Promise.resolve({ purgeAt: new Date(Date.now() + 100).toISOString() }),
  beginPurge: () => Promise.resolve({ begun: true }),
  prepareExecutionPartitions: () => Promise.resolve({ made: ['extension_execution_log_20260101'] }),
});
const { client } = environment;

async function record(name: string, run: (client: Client) => Promise<Recordable>): Promise<void> {
  install.reset();
  lifecycle.reset();
  changes.reset();
  publish.reset();
  pages = PAGES;
  const handle = await run(client);
  await handle.result().catch(() => undefined); // a failed workflow's history is what some scenarios are about
  const file = path.join(FOLDER, `${name}-${version ?? ''}.json`);
  // Who ran it is no part of the history's meaning.
  const json = historyToJSON(await handle.fetchHistory()).replace(/("identity": ?)"[^"]*"/g, '$1"recorder"');
  writeFileSync(file, `${json}\n`);
  console.log(file);
}

const failedProbe = () => Promise.reject(new PlatformError('HEALTH_CHECK_FAILED', 'answered 500'));

try {
  await record('publish-bundle-published', (on) => beginPublish(on));
  await record('publish-bundle-rejected', (on) => {
    publish.script({ registerVersion: () => Promise.reject(new PlatformError('VERSION_EXISTS', 'exists')) });
    return beginPublish(on);
  });
  await record('precompile-made', async (on) => {
    await (await beginPublish(on)).result();
    return on.workflow.getHandle(precompileWorkflowId(CONTENT_HASH, ARTIFACT.target));
  });
  await record('recompile-all-done', async (on) => {
    let left = 1;
    publish.script({
      countOutdatedBundles: () => left,
      listOutdatedBundles: () => [
        {
          contentHash: CONTENT_HASH,
          tenantId: randomUUID(),
          position: { installed: true, turn: 1, contentHash: CONTENT_HASH },
        },
      ],
      recordArtifact: () => void (left -= 1),
    });
    const { target, keyId } = ARTIFACT;
    return on.workflow.getHandle(await startRecompile(on, { target, keyId }));
  });
  await record('install-extension-active', (on) => beginInstall(on));
  await record('install-extension-rolled-back', (on) => {
    install.script({ probeInstall: failedProbe });
    return beginInstall(on);
  });
  await record('install-extension-awaits-consent', (on) => beginInstall(on, installInput({ consent: [] })));
  await record('await-consent-granted', async (on) => {
    const input = installInput({ consent: [] });
    await (await beginInstall(on, input)).result();
    const waiting = on.workflow.getHandle(consentWorkflowId(input.installId, input.versionId));
    await waiting.executeUpdate(consentUpdate, { args: [{ decision: 'grant', decidedBy: 'key:admin' }] });
    return waiting;
  });
  await record('upgrade-install-done', (on) => beginVersion(on, 'upgrade', installInput()));
  await record('upgrade-install-restored', (on) => {
    changes.script({ verifyVersion: failedProbe });
    return beginVersion(on, 'upgrade', installInput());
  });
  await record('upgrade-install-awaits-consent', (on) => {
    const added = [{ capability: 'storage.kv', scope: {}, optional: false } as const];
    changes.script({ openChange: () => ({ added, attempts: 1 }) });
    return beginVersion(on, 'upgrade', installInput({ consent: [] }));
  });
  await record('await-settings-given', async (on) => {
    const input = installInput();
    changes.script({ stageUpgrade: () => ({ needed: ['config.url'], attempts: 1 }) });
    await (await beginVersion(on, 'upgrade', input)).result();
    changes.reset();
    const waiting = on.workflow.getHandle(settingsWorkflowId(input.installId, input.versionId));
    await waiting.executeUpdate(settingsUpdate, { args: [{ decision: 'given', decidedBy: 'key:admin' }] });
    return waiting;
  });
  await record('rollback-install-done', (on) => beginVersion(on, 'rollback', installInput()));
  await record('configure-install-applied', (on) => {
    const { tenantId, extensionId, extension, installId, draftId, requestedBy, digest } = installInput();
    return beginConfigure(on, {
      ...{ tenantId, extensionId, extension, installId },
      ...{ draftId, requestedBy, digest },
    });
  });
  for (const kind of ['enable', 'disable', 'pause', 'resume'] as const) {
    await record(`${kind}-install-done`, (on) => beginOperation(on, kind, installInput()));
  }
  await record('narrow-grants-done', async (on) => {
    const { tenantId, extensionId, extension, installId, requestedBy, digest } = installInput();
    const input = { tenantId, extensionId, extension, installId, requestedBy, digest, grants: [] };
    await createWorkflowStarter(on).narrowGrants(input);
    return on.workflow.getHandle(installWorkflowId(tenantId, extensionId));
  });
  await record('uninstall-install-done', (on) => beginOperation(on, 'uninstall', installInput()));
  await record('restore-install-done', (on) => beginOperation(on, 'restore', installInput()));
  await record('purge-install-purged', async (on) => {
    const { tenantId, installId } = installInput();
    return on.workflow.start('purgeInstall', {
      workflowId: purgeWorkflowId(installId),
      taskQueue: LIFECYCLE_TASK_QUEUE,
      args: [{ tenantId, installId }],
    });
  });
  await record('enable-install-failed', (on) => {
    lifecycle.script({ probeInstall: failedProbe });
    return beginOperation(on, 'enable', installInput());
  });
  const keyId = `sha256:${'ab'.repeat(32)}`;
  const key = { keyId, publicKey: '', publishers: ['*'], state: 'active' } as const;
  for (const kind of ['trust-key', 'revoke-key'] as const) {
    await record(`${kind}-done`, async (on) => {
      const change = { kind, id: keyId, input: { key, requestedBy: 'key:operator' } };
      return on.workflow.getHandle((await createWorkflowStarter(on).changeTrust(change)).workflowId);
    });
  }
  await record('revoke-version-done', async (on) => {
    const versionId = randomUUID();
    const input = { versionId, reason: 'it steals', requestedBy: 'key:operator' };
    const change = { kind: 'revoke-version', id: versionId, input } as const;
    return on.workflow.getHandle((await createWorkflowStarter(on).changeTrust(change)).workflowId);
  });
  await record('sign-version-done', async (on) => {
    const [tenantId, versionId] = [randomUUID(), randomUUID()];
    const envelope = { payloadType: '', payload: '', signatures: [] };
    const input = { tenantId, versionId, contentHash: CONTENT_HASH, envelope, requestedBy: 'key:publisher' };
    const change = { kind: 'sign-version', id: `${versionId}:00`, input } as const;
    return on.workflow.getHandle((await createWorkflowStarter(on).changeTrust(change)).workflowId);
  });
  await record('judge-published-done', async (on) => {
    await createJudging(on).begin();
    return on.workflow.getHandle('judge-published');
  });
  await record('transfer-publisher-done', async (on) => {
    const input = { slug: 'acme', tenantId: randomUUID(), reason: 'sold', requestedBy: 'key:operator' };
    const change = { kind: 'transfer-publisher', id: 'acme', input } as const;
    return on.workflow.getHandle((await createWorkflowStarter(on).changeTrust(change)).workflowId);
  });
  const judging = { versions: 50, quarantined: 1, released: 0, installs: 1, left: 3 };
  const telling = { versionIds: [randomUUID()] };
  for (const [name, pass] of [
    ['done', undefined],
    ['goes-on', { progress: judging, revision: 2, telling }],
  ] as const) {
    await record(`adopt-trust-bundle-${name}`, (on) =>
      on.workflow.start<typeof adoptTrustBundle>('adoptTrustBundle', {
        workflowId: `adopt-trust-bundle:${name}`,
        taskQueue: LIFECYCLE_TASK_QUEUE,
        args: [{ digest: null, ...(pass && { pass }) }],
      }),
    );
  }
  await record('housekeeping-done', (on) =>
    on.workflow.start<typeof housekeeping>('housekeeping', {
      workflowId: `housekeeping-${randomUUID()}`,
      taskQueue: LIFECYCLE_TASK_QUEUE,
    }),
  );
} finally {
  await environment.stop();
}
