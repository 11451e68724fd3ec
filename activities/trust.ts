import type { TrustKey } from '../core/trust.ts';
import type { TrustReport, TrustStore } from '../platform/db/trust.ts';
import type { InstallPlace, VersionTrustStore } from '../platform/db/version-trust.ts';
import { withHeartbeat } from './heartbeat.ts';
import type { VersionTrust } from './version-trust.ts';

/** Versions that are judged between two answers to the workflow. */
const PAGE = 50;

export interface TrustDeps {
  trust: TrustStore;
  versions: VersionTrustStore;
  versionTrust: Pick<VersionTrust, 'judge'>;
}

interface TrustKeyInput {
  key: TrustKey;
  requestedBy: string;
}

/** A page of versions that were judged; those whose status changed are to be told of. */
export interface JudgedPage {
  /** Of the trust that the page was judged by. */
  revision: number;
  judged: number;
  quarantined: string[];
  released: string[];
  /** Versions that are not judged by present trust. */
  left: number;
}

export type TrustActivities = ReturnType<typeof createTrustActivities>;

/** What is trusted, and what follows from it for what is published. Each bears to run twice. */
export function createTrustActivities({ trust, versions, versionTrust }: TrustDeps) {
  return {
    async addTrustKey({ key, requestedBy }: TrustKeyInput): Promise<void> {
      await trust.add(key, requestedBy);
    },

    async revokeTrustKey({ key, requestedBy }: TrustKeyInput): Promise<void> {
      await trust.revoke(key, requestedBy);
    },

    /** This release's workers have another trust bundle than those before. */
    async adoptTrustBundle({ digest }: { digest: string | null }): Promise<void> {
      await trust.adopt(digest);
    },

    async revokeVersion({ versionId, reason }: { versionId: string; reason: string }): Promise<void> {
      const message = `an operator revoked the version: ${reason}. Upgrade to another version`;
      await versions.revoke(versionId, { code: 'VERSION_REVOKED', message });
    },

    /** Holds the next versions against what is trusted now, or of those the ones of one content; those that `first` had signed come before the others. */
    async judgeVersions({
      first,
      contentHash,
    }: {
      first: readonly string[];
      contentHash?: string;
    }): Promise<JudgedPage> {
      return withHeartbeat(async (signal) => {
        const state = await trust.adopted();
        const page = await versions.listUnjudged({ revision: state.revision, contentHash }, first, PAGE);
        const changed: { versionId: string; to: 'published' | 'quarantined' }[] = [];
        for (const version of page) {
          signal.throwIfAborted();
          const to = await versionTrust.judge(version, state, signal);
          if (to) changed.push({ versionId: version.versionId, to });
        }
        const those = (status: string): string[] =>
          changed.filter(({ to }) => to === status).map(({ versionId }) => versionId);
        return {
          revision: state.revision,
          judged: page.length,
          quarantined: those('quarantined'),
          released: those('published'),
          left: await versions.countUnjudged({ revision: state.revision, contentHash }),
        };
      });
    },

    /** Has a page of installs show what became of the versions that they serve; calls are refused, or not, by the version alone. */
    async tellInstalls({
      versionIds,
      after,
    }: {
      versionIds: readonly string[];
      after?: InstallPlace;
    }): Promise<{ told: number; after?: InstallPlace }> {
      return versions.tellInstalls(versionIds, after);
    },

    /** Keeps how it went for operators to read. */
    async reportTrust(report: TrustReport): Promise<void> {
      await trust.report(report);
    },
  };
}
