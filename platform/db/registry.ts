import { randomUUID } from 'node:crypto';
import type { Knex } from 'knex';
import type { Artifact } from '../../core/artifact.ts';
import { PlatformError } from '../../core/errors.ts';
import { isUuid } from '../../core/ids.ts';
import type { Manifest } from '../../core/manifest/manifest.ts';
import type { Check, FailureReason, VersionStatus } from '../../core/progress.ts';
import type { Trust } from '../../core/trust.ts';
import { resolveWildcard } from '../../core/version.ts';
import type { StoredSignature } from '../signatures/stored-envelopes.ts';
import { recordArtifact } from './artifacts.ts';
import { checkPublisher, claimPublisher } from './publishers.ts';
import { recordSignature } from './signatures.ts';
import { holdTrust } from './trust.ts';
import { fetchPage, type Page, type PageRequest } from './page.ts';

/** A registry entry: shared by all tenants. */
export interface Extension {
  extensionId: string;
  /** `publisher.name`. */
  extension: string;
  publisher: string;
  publisherSlug: string;
  name: string;
  displayName: string;
  description: string;
  createdAt: Date;
}

export interface ExtensionVersion {
  versionId: string;
  extensionId: string;
  extension: string;
  version: string;
  contentHash: string;
  manifest: Manifest;
  checks: Check[];
  status: VersionStatus;
  /** Why it is not published any more. */
  statusReason?: FailureReason;
  trust: { policy: Trust['policy']; signedBy: string[] };
  /** Envelopes beside its bundle. */
  signatures: StoredSignature[];
  publishedAt: Date;
}

export interface Registration {
  tenantId: string;
  uploadId: string;
  contentHash: string;
  sizeBytes: number;
  manifest: Manifest;
  checks: Check[];
  artifact: Artifact;
  trust: RegistrationTrust;
}

/** By what is trusted at a revision, this was. */
export interface RegistrationTrust {
  revision: number;
  policy: Trust['policy'];
  /** Keys whose signatures counted. */
  keyIds: readonly string[];
  /** Name of the envelope beside the bundle. */
  signature?: string;
}

interface ExtensionRow {
  extension_id: string;
  publisher_slug: string;
  publisher_name: string;
  name: string;
  display_name: string;
  description: string;
  created_at: Date;
}

interface VersionRow extends Pick<ExtensionRow, 'publisher_slug' | 'name' | 'extension_id'> {
  version_id: string;
  version: string;
  content_hash: string;
  manifest: Manifest;
  checks: Check[];
  status: VersionStatus;
  status_reason: FailureReason | null;
  trust_policy: Trust['policy'];
  signed_by: string[];
  signatures: StoredSignature[] | null;
  published_at: Date;
}

export type RegistryStore = ReturnType<typeof createRegistryStore>;

export function createRegistryStore(db: Knex) {
  const extensions = (): Knex.QueryBuilder =>
    db('extension_registry as e')
      .join('extension_publisher as p', 'p.slug', 'e.publisher_slug')
      .select('e.*', { publisher_name: 'p.name' });

  const versions = (): Knex.QueryBuilder =>
    db('extension_version as v')
      .join('extension_registry as e', 'e.extension_id', 'v.extension_id')
      .select('v.*', 'e.publisher_slug', 'e.name', {
        signatures:
          db.raw(`(select jsonb_agg(jsonb_build_object('digest', s.digest, 'receivedAt', to_json(s.received_at)) order by s.received_at, s.digest)
          from extension_signature s where s.content_hash = v.content_hash)`),
      });

  return {
    /** By registry UUID or `publisher.name`. */
    async findExtension(ref: string): Promise<Extension | undefined> {
      const row = (await whereExtension(extensions(), ref).first()) as ExtensionRow | undefined;
      return row && toExtension(row);
    },

    listExtensions(page: PageRequest): Promise<Page<Extension>> {
      return fetchPage(db, extensions(), { time: 'e.created_at', id: 'e.extension_id' }, page, toExtension);
    },

    listVersions(extensionId: string, page: PageRequest): Promise<Page<ExtensionVersion>> {
      const query = versions().where('v.extension_id', extensionId);
      return fetchPage(
        db,
        query,
        { time: 'v.published_at', id: 'v.version_id', order: 'desc' },
        page,
        toVersion,
      );
    },

    /** Numbers of the versions an install may choose from. */
    async publishedVersions(extensionId: string): Promise<string[]> {
      return db('extension_version')
        .where({ extension_id: extensionId, status: 'published' })
        .pluck<string[]>('version');
    },

    async findVersion(extensionId: string, version: string): Promise<ExtensionVersion | undefined> {
      const row = (await versions()
        .where({ 'v.extension_id': extensionId, 'v.version': version })
        .first()) as VersionRow | undefined;
      return row && toVersion(row);
    },

    async findVersionById(versionId: string): Promise<ExtensionVersion | undefined> {
      const row = (await versions().where('v.version_id', versionId).first()) as VersionRow | undefined;
      return row && toVersion(row);
    },

    /**
     * Whether this tenant may publish this version, asked early so that the answer does not wait for jco; `register` decides.
     * Throws VERSION_EXISTS, or what checkPublisher throws.
     */
    async checkPublishable(tenantId: string, manifest: Manifest): Promise<void> {
      const { slug } = await checkPublisher(db, tenantId, manifest.publisher);
      const taken = (await db('extension_version as v')
        .join('extension_registry as e', 'e.extension_id', 'v.extension_id')
        .where({ 'e.publisher_slug': slug, 'e.name': manifest.name, 'v.version': manifest.version })
        .first('v.version_id')) as unknown;
      if (taken) throw versionExists(manifest);
    },

    /**
     * Registers a version with all that belongs to it, or nothing. A repeat for the same upload answers the version it made.
     * Throws TRUST_CHANGED if something else is trusted by now than what it was judged by, VERSION_EXISTS, or what checkPublisher throws.
     */
    async register(
      registration: Registration,
    ): Promise<{ versionId: string; extensionId: string; version: string }> {
      return db.transaction(async (trx) => {
        // First: a repeat is told what was done, whatever has changed since.
        const before = await versionOf(trx, registration.uploadId);
        if (before) return before;
        await holdTrust(trx, registration.trust.revision);
        const { manifest } = registration;
        const slug = await claimPublisher(trx, registration.tenantId, manifest.publisher);
        const extensionId = await upsertExtension(trx, slug, manifest);
        const earlier = await versionOf(trx, registration.uploadId); // made while this one waited
        if (earlier) return earlier;
        await recordBundle(trx, registration);
        const taken = await trx('extension_version')
          .where({ extension_id: extensionId })
          .pluck<string[]>('version');
        const version = manifest.version.endsWith('.*')
          ? resolveWildcard(manifest.version, taken)
          : manifest.version;
        if (taken.includes(version)) throw versionExists(manifest);
        const versionId = randomUUID();
        await trx('extension_version').insert({
          version_id: versionId,
          extension_id: extensionId,
          version,
          content_hash: registration.contentHash,
          // As it was registered, and as consumers compare it: never a wildcard.
          manifest: JSON.stringify({ ...manifest, version }),
          checks: JSON.stringify(registration.checks),
          upload_id: registration.uploadId,
          trust_policy: registration.trust.policy,
          signed_by: registration.trust.keyIds,
          trust_revision: registration.trust.revision,
        });
        await recordEndpoints(trx, versionId, manifest);
        return { versionId, extensionId, version };
      });
    },
  };
}

/** What was registered of an upload. */
async function versionOf(
  trx: Knex.Transaction,
  uploadId: string,
): Promise<{ versionId: string; extensionId: string; version: string } | undefined> {
  const row = (await trx('extension_version')
    .where({ upload_id: uploadId })
    .first('version_id', 'extension_id', 'version')) as
    Pick<VersionRow, 'version_id' | 'extension_id' | 'version'> | undefined;
  return row && { versionId: row.version_id, extensionId: row.extension_id, version: row.version };
}

/** Locks the extension's row, so that two publishes of one extension follow each other. */
async function upsertExtension(trx: Knex.Transaction, slug: string, manifest: Manifest): Promise<string> {
  const [row] = (await trx('extension_registry')
    .insert({
      extension_id: randomUUID(),
      publisher_slug: slug,
      name: manifest.name,
      display_name: manifest.displayName,
      description: manifest.description ?? '',
    })
    .onConflict(['publisher_slug', 'name'])
    .merge({
      display_name: manifest.displayName,
      description: manifest.description ?? '',
      updated_at: trx.fn.now(),
    })
    .returning('extension_id')) as [{ extension_id: string }];
  return row.extension_id;
}

async function recordBundle(
  trx: Knex.Transaction,
  { contentHash, sizeBytes, artifact, trust }: Registration,
): Promise<void> {
  await trx('extension_bundle')
    .insert({ content_hash: contentHash, size_bytes: sizeBytes })
    .onConflict()
    .ignore();
  await recordArtifact(trx, contentHash, artifact);
  if (trust.signature === undefined) return;
  await recordSignature(trx, contentHash, trust.signature);
}

async function recordEndpoints(trx: Knex.Transaction, versionId: string, manifest: Manifest): Promise<void> {
  const endpoints = manifest.api?.endpoints ?? [];
  if (endpoints.length === 0) return;
  await trx('extension_api_endpoint').insert(
    endpoints.map((endpoint, position) => ({
      version_id: versionId,
      position,
      method: endpoint.method,
      path: endpoint.path,
      handler: endpoint.handler,
      permission: endpoint.permission,
      headers: endpoint.headers ?? null,
      schedulable: endpoint.schedulable,
      timeout_ms: endpoint.timeoutMs ?? null,
      retryable: endpoint.retryable,
    })),
  );
}

function whereExtension(query: Knex.QueryBuilder, ref: string): Knex.QueryBuilder {
  if (isUuid(ref)) return query.where('e.extension_id', ref);
  const dot = ref.indexOf('.');
  return query.where({ 'e.publisher_slug': ref.slice(0, Math.max(dot, 0)), 'e.name': ref.slice(dot + 1) });
}

function versionExists(manifest: Manifest): PlatformError {
  return new PlatformError(
    'VERSION_EXISTS',
    `${manifest.publisher} ${manifest.name} ${manifest.version} is published already and versions never change; raise "version"`,
  );
}

function toExtension(row: ExtensionRow): Extension {
  return {
    extensionId: row.extension_id,
    extension: `${row.publisher_slug}.${row.name}`,
    publisher: row.publisher_name,
    publisherSlug: row.publisher_slug,
    name: row.name,
    displayName: row.display_name,
    description: row.description,
    createdAt: row.created_at,
  };
}

function toVersion(row: VersionRow): ExtensionVersion {
  return {
    versionId: row.version_id,
    extensionId: row.extension_id,
    extension: `${row.publisher_slug}.${row.name}`,
    version: row.version,
    contentHash: row.content_hash,
    manifest: row.manifest,
    checks: row.checks,
    status: row.status,
    ...(row.status_reason && { statusReason: row.status_reason }),
    trust: { policy: row.trust_policy, signedBy: row.signed_by },
    signatures: row.signatures ?? [],
    publishedAt: row.published_at,
  };
}
