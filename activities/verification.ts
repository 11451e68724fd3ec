import { activityInfo } from '@temporalio/activity';
import { capabilityEntry } from '../core/capabilities.ts';
import { isPlatformError, PlatformError, type ErrorCode } from '../core/errors.ts';
import { contentHashHex, extensionAddress, publisherSlug } from '../core/ids.ts';
import { manifestInvalid, type Manifest } from '../core/manifest/manifest.ts';
import { unsupportedFields } from '../core/manifest/unsupported.ts';
import type { Check, FailureReason } from '../core/progress.ts';
import { verifyBundle } from '../platform/bundle/read-bundle.ts';
import type { RegistryStore } from '../platform/db/registry.ts';
import type { ObjectKeys } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';
import { withHeartbeat } from './heartbeat.ts';
import { readStaging } from './staging.ts';
import type { UploadRef } from './uploads.ts';

export interface VerificationDeps {
  objects: Pick<ObjectStore, 'read'>;
  keys: Pick<ObjectKeys, 'staging'>;
  registry: Pick<RegistryStore, 'checkPublishable'>;
}

export interface VerifyBundleInput extends UploadRef {
  /** What the bytes in staging must be. */
  contentHash: string;
}

/** What was found in an upload. With a `fault` the bundle is refused. */
export interface Verdict {
  checks: Check[];
  fault?: FailureReason;
  /** What the bundle says it is, once its manifest could be read: `publisher.name`, and a version that may be a wildcard. */
  found?: { extension: string; version: string };
  attempts: number;
}

const NO_TRUST_BUNDLE: Check = {
  name: 'signature',
  result: 'skipped',
  required: false,
  detail: 'this platform has no trust bundle: unsigned bundles are taken and signatures are not looked at',
};

export type VerificationActivities = ReturnType<typeof createVerificationActivities>;

export function createVerificationActivities({ objects, keys, registry }: VerificationDeps) {
  return {
    /** Reads the staged bytes once and records every check on them. Changes nothing, so it may run any number of times. */
    async verifyBundle({ tenantId, uploadId, contentHash }: VerifyBundleInput): Promise<Verdict> {
      const { checks, bundle, fault } = await withHeartbeat(async (signal) =>
        verifyBundle(await readStaging(objects, keys.staging(tenantId, uploadId), signal), {
          expectedSha256: contentHashHex(contentHash),
        }),
      );
      checks.push(NO_TRUST_BUNDLE);
      const attempts = activityInfo().attempt;
      if (!bundle) return { checks, fault: reasonOf(fault), attempts };
      const faults = [
        checkCapabilities(checks, bundle.manifest),
        checkFeatures(checks, bundle.manifest),
        await checkPublishable(checks, registry, tenantId, bundle.manifest),
      ];
      const first = faults.find((found) => found !== undefined);
      const { publisher, name, version } = bundle.manifest;
      const found = { extension: extensionAddress(publisherSlug(publisher), name), version };
      return { checks, ...(first && { fault: reasonOf(first) }), found, attempts };
    },
  };
}

/** A required capability that nobody serves would make every call fail; an optional one the extension can do without. */
function checkCapabilities(checks: Check[], { capabilities }: Manifest): PlatformError | undefined {
  const missing = capabilities
    .filter(({ name, optional }) => !optional && !capabilityEntry(name).provided)
    .map(({ name }) => name);
  if (missing.length === 0) {
    checks.push({ name: 'capabilities', result: 'passed', required: true });
    return undefined;
  }
  const fault = new PlatformError(
    'CAPABILITY_UNAVAILABLE',
    `this platform does not provide ${missing.join(', ')}; remove it from "capabilities" or make it optional`,
  );
  checks.push({ name: 'capabilities', result: 'failed', required: true, detail: fault.message });
  return fault;
}

/** What the format has and this platform does not do yet would be a promise that nobody keeps. */
function checkFeatures(checks: Check[], manifest: Manifest): PlatformError | undefined {
  const issues = unsupportedFields(manifest);
  if (issues.length === 0) {
    checks.push({ name: 'features', result: 'passed', required: true });
    return undefined;
  }
  const fault = manifestInvalid(issues);
  checks.push({ name: 'features', result: 'failed', required: true, detail: fault.message });
  return fault;
}

const REGISTRY_CHECKS: Partial<Record<ErrorCode, 'publisher' | 'version'>> = {
  PUBLISHER_NOT_YOURS: 'publisher',
  MANIFEST_INVALID: 'publisher',
  VERSION_EXISTS: 'version',
};

/** Asked now so that the publisher need not wait for jco to hear it; registering decides. */
async function checkPublishable(
  checks: Check[],
  registry: VerificationDeps['registry'],
  tenantId: string,
  manifest: Manifest,
): Promise<PlatformError | undefined> {
  try {
    await registry.checkPublishable(tenantId, manifest);
  } catch (err) {
    const name = isPlatformError(err) ? REGISTRY_CHECKS[err.code] : undefined;
    if (!isPlatformError(err) || name === undefined) throw err;
    if (name === 'version') checks.push(passedPublisher(manifest));
    checks.push({ name, result: 'failed', required: true, detail: err.message });
    return err;
  }
  checks.push(passedPublisher(manifest), { name: 'version', result: 'passed', required: true });
  return undefined;
}

function passedPublisher({ publisher }: Manifest): Check {
  return {
    name: 'publisher',
    result: 'passed',
    required: true,
    detail: `its slug is "${publisherSlug(publisher)}"`,
  };
}

function reasonOf(fault: PlatformError | undefined): FailureReason {
  return { code: fault?.code ?? 'BUNDLE_REJECTED', message: fault?.message ?? 'the bundle failed a check' };
}
