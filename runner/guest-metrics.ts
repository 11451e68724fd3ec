import type { ExecuteRequest } from '../core/execute.ts';

/** What guests' metrics may take, in lines of the scrape that all share. */
export const GUEST_METRIC_LIMITS = {
  linesOfInstall: 200,
  linesOfTenant: 1_000,
  lines: 10_000,
  /** Emissions of an install. */
  perMinute: 60_000,
  labels: 4,
} as const;

/** An install that was silent for so long is forgotten, and its counters begin anew with its next emission. */
const SILENT_MS = 15 * 60_000;
const MINUTE_MS = 60_000;
/** Sums stay finite: what is no number would make the whole scrape unreadable. */
const MAX_VALUE = 1e15;
const BUCKETS = [
  0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000, 100_000,
] as const;
const BUCKET_LINES = BUCKETS.length + 3; // +Inf, sum and count
const METRIC_NAME = /^[a-z][a-z0-9_]{0,63}$/;
const LABEL_NAME = /^[a-z][a-z0-9_]{0,31}$/;
const MAX_LABEL_CHARACTERS = 64;
const COUNTER = 'alga_guest_counter_total';
const HISTOGRAM = 'alga_guest_histogram';

export type Dropped =
  'not-granted' | 'invalid' | 'rate' | 'limit-of-install' | 'limit-of-tenant' | 'limit-of-runner';

export interface Emission {
  kind: 'counter' | 'histogram';
  name: string;
  /** Undefined for what is no number. */
  value: number | undefined;
  labels: readonly { name: string; value: string }[];
}

export interface GuestMetrics {
  /** Answers why it was left out; undefined if it was not. */
  emit(context: Pick<ExecuteRequest['context'], Owner>, emission: Emission): Dropped | undefined;
  drop(reason: Dropped): void;
  /** Lines of the scrape. */
  readonly lines: number;
  /** In the text format of Prometheus, without what has been silent for long. */
  text(): string;
}

type Owner = 'tenant_id' | 'extension_id' | 'install_id';

interface Series {
  kind: Emission['kind'];
  /** As the text format has them, without the braces. */
  labels: string;
  /** Of a histogram also the sum. */
  value: number;
  count: number;
  buckets: number[];
}

interface Install {
  tenantId: string;
  series: Map<string, Series>;
  lines: number;
  lastAt: number;
  minute: number;
  emitted: number;
}

/** Figures that guests tell. How much is kept is bounded for each install, each tenant and in all, whatever names and labels they make up. */
export function createGuestMetrics({
  now,
  countDropped,
}: {
  /** Milliseconds. */
  now: () => number;
  countDropped: (reason: Dropped) => void;
}): GuestMetrics {
  const installs = new Map<string, Install>();
  const linesOfTenants = new Map<string, number>();
  let lines = 0;

  function takeLines(tenantId: string, install: Install, more: number): void {
    install.lines += more;
    lines += more;
    const left = (linesOfTenants.get(tenantId) ?? 0) + more;
    if (left > 0) linesOfTenants.set(tenantId, left);
    else linesOfTenants.delete(tenantId);
  }

  /** They are in the order of their last emission. */
  function forgetSilent(): void {
    for (const [id, install] of installs) {
      if (now() - install.lastAt < SILENT_MS) return;
      installs.delete(id);
      takeLines(install.tenantId, install, -install.lines);
    }
  }

  function record(
    { tenant_id: tenantId, extension_id: extensionId, install_id: id }: Record<Owner, string>,
    { kind, name, value, labels }: Emission & { value: number },
  ): Dropped | undefined {
    forgetSilent();
    const at = now();
    const minute = Math.floor(at / MINUTE_MS);
    const fresh = (): Install => ({
      tenantId,
      series: new Map(),
      lines: 0,
      lastAt: at,
      minute,
      emitted: 0,
    });
    const install = installs.get(id) ?? fresh();
    if (install.minute !== minute) Object.assign(install, { minute, emitted: 0 });
    if (install.emitted >= GUEST_METRIC_LIMITS.perMinute) return 'rate';
    const said = labels
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map((label) => `,label_${label.name}="${escaped(label.value)}"`)
      .join('');
    const key = `${kind} ${name}${said}`;
    let series = install.series.get(key);
    if (!series) {
      const more = kind === 'counter' ? 1 : BUCKET_LINES;
      if (install.lines + more > GUEST_METRIC_LIMITS.linesOfInstall) return 'limit-of-install';
      if ((linesOfTenants.get(tenantId) ?? 0) + more > GUEST_METRIC_LIMITS.linesOfTenant) {
        return 'limit-of-tenant';
      }
      if (lines + more > GUEST_METRIC_LIMITS.lines) return 'limit-of-runner';
      const owner = `tenant="${tenantId}",extension="${extensionId}",install="${id}"`;
      series = { kind, labels: `${owner},metric="${name}"${said}`, value: 0, count: 0, buckets: [] };
      install.series.set(key, series);
      takeLines(tenantId, install, more);
    }
    install.emitted += 1;
    install.lastAt = at;
    installs.delete(id);
    installs.set(id, install);
    series.value += value;
    if (kind === 'histogram') {
      series.count += 1;
      const bucket = BUCKETS.findIndex((most) => value <= most);
      if (bucket >= 0) series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1;
    }
    return undefined;
  }

  return {
    emit(context, emission) {
      const reason = isSound(emission) ? record(context, emission) : 'invalid';
      if (reason !== undefined) countDropped(reason);
      return reason;
    },
    drop: countDropped,
    get lines() {
      return lines;
    },
    text() {
      forgetSilent();
      const all = [...installs.values()].flatMap(({ series }) => [...series.values()]);
      return [
        `# HELP ${COUNTER} Counters of extensions, by the name that the extension gives as metric.`,
        `# TYPE ${COUNTER} counter`,
        ...all.filter(({ kind }) => kind === 'counter').map(counterLine),
        `# HELP ${HISTOGRAM} Histograms of extensions, by the name that the extension gives as metric.`,
        `# TYPE ${HISTOGRAM} histogram`,
        ...all.filter(({ kind }) => kind === 'histogram').flatMap(histogramLines),
        '',
      ].join('\n');
    },
  };
}

function isSound(emission: Emission): emission is Emission & { value: number } {
  const { kind, name, value, labels } = emission;
  return (
    value !== undefined &&
    Math.abs(value) <= MAX_VALUE &&
    (kind === 'histogram' || value >= 0) &&
    METRIC_NAME.test(name) &&
    labels.length <= GUEST_METRIC_LIMITS.labels &&
    new Set(labels.map((label) => label.name)).size === labels.length &&
    labels.every((label) => LABEL_NAME.test(label.name) && isText(label.value))
  );
}

function isText(value: string): boolean {
  return value.length <= MAX_LABEL_CHARACTERS && value.isWellFormed() && !/\p{Cc}/u.test(value);
}

function escaped(value: string): string {
  return value.replace(/[\\"]/g, '\\$&');
}

function counterLine({ labels, value }: Series): string {
  return `${COUNTER}{${labels}} ${value}`;
}

function histogramLines({ labels, value, count, buckets }: Series): string[] {
  let below = 0;
  return [
    ...BUCKETS.map((most, at) => {
      below += buckets[at] ?? 0;
      return `${HISTOGRAM}_bucket{${labels},le="${most}"} ${below}`;
    }),
    `${HISTOGRAM}_bucket{${labels},le="+Inf"} ${count}`,
    `${HISTOGRAM}_sum{${labels}} ${value}`,
    `${HISTOGRAM}_count{${labels}} ${count}`,
  ];
}
