import { z } from 'zod';
import type { TestPlatform } from '../support/platform.ts';
import {
  searchHistories,
  searchLogs,
  searchTables,
  type Searched,
  type Tracer,
} from '../support/secret-traces.ts';
import { untilQuiet } from '../storm/quiet.ts';
import { createRecord, promiseOf, type Kind, type Sent } from '../storm/record.ts';
import { connectTo, readSecrets } from '../storm/temporal.ts';
import { brokenClaims, type Broken } from './claims.ts';
import { gatherEvidence, type InstallEvidence } from './evidence.ts';
import { canLeadTo, sentAbout } from './expectations.ts';
import type { FaultyWorkers } from './faulty-workers.ts';
import { carryOut, type Plan } from './plan.ts';

export interface Trial {
  /** Carries a plan out, waits until everything is at rest, and answers what is not as it should be, with what was asked for. */
  broken(plan: Plan): Promise<string[]>;
  /** How many requests of each kind were done or begun, so far. */
  taken(): Partial<Record<Kind, number>>;
  /** Looks for secrets in everything that was written and answered. */
  search(traces: Tracer): Promise<Searched>;
  close(): Promise<void>;
}

export interface TrialOptions {
  platform: TestPlatform;
  workers: FaultyWorkers;
  /** Takes every request and its answer, a line each. */
  recordFile: string;
}

export function createTrial({ platform, workers, recordFile }: TrialOptions): Trial {
  const record = createRecord(platform.local.gateway, recordFile);
  const temporal = connectTo(platform);
  let runs = 0;

  return {
    async broken(plan) {
      runs += 1;
      const tenants = await carryOut(plan, { platform, record, workers, name: `run-${runs}` });
      const noise = await untilQuiet(platform, temporal);
      if (noise.length > 0) throw new Error(`the platform does not come to rest: ${noise.join('; ')}`);
      const evidence = await gatherEvidence(platform, temporal, tenants);
      const broken = [...brokenClaims(evidence), ...evidence.installs.flatMap(unexplained)];
      return broken.map(({ claim, what, install }) =>
        [`${claim}: but ${what}`, JSON.stringify(install), ...sentAbout(install, record.all).map(line)].join(
          '\n',
        ),
      );
    },

    taken() {
      const kinds = record.all
        .filter((sent) => ['done', 'begun'].includes(promiseOf(sent)) && sent.kind !== 'read')
        .map(({ kind }) => kind);
      return Object.fromEntries(kinds.map((kind) => [kind, kinds.filter((other) => other === kind).length]));
    },

    async search(traces) {
      const { local, starter } = platform;
      const { payloadCodecKey, tokens } = readSecrets(starter.dataDir);
      const answers = record.all.flatMap(({ n, answer }) => {
        const found = traces(JSON.stringify(answer ?? null));
        return found.length > 0 ? [{ where: `the answer to request ${n}`, traces: found }] : [];
      });
      const parts = [
        await searchTables(local.databaseUrl, traces),
        searchLogs(starter.dataDir, traces),
        await searchHistories(local, payloadCodecKey, traces),
        await searchMetrics(platform, tokens.metrics, traces),
      ];
      const sum = (of: 'looked' | 'sealed'): number => parts.reduce((total, part) => total + part[of], 0);
      return {
        found: [...answers, ...parts.flatMap(({ found }) => found)],
        looked: sum('looked') + record.all.length,
        sealed: sum('sealed'),
      };
    },

    close: () => temporal.close(),
  };

  function unexplained(install: InstallEvidence): Broken[] {
    const claim = 'its status follows from what was answered';
    return canLeadTo(sentAbout(install, record.all), install.status)
      ? []
      : [{ claim, what: `it is ${install.status}`, install }];
  }
}

const told = z.object({ status: z.string(), version: z.string(), detail: z.string() }).partial();

function line({ at, answeredAt, mark, kind, json, status, code = '', answer }: Sent): string {
  const { data: shown = {} } = told.safeParse(answer);
  const { version = '' } = (json ?? {}) as { version?: string };
  const said = [shown.status, shown.version, shown.detail].filter((one) => one !== undefined).join(' ');
  return `${at % 1_000_000} to ${answeredAt % 1_000_000} ${mark}: ${kind} ${version} -> ${status ?? 'nothing'} ${code} ${said}`;
}

async function searchMetrics(
  { local }: TestPlatform,
  token: string | undefined,
  traces: Tracer,
): Promise<Searched> {
  const url = `${local.runner}/metrics`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${token ?? ''}` } });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  const found = traces(await response.text());
  return { found: found.length > 0 ? [{ where: url, traces: found }] : [], looked: 1, sealed: 0 };
}
