import type { LossReason } from './sandbox-lost.ts';
import type { Sandbox } from './sandbox.ts';
import type { Needs, Tenant, TenantProcess } from './tenant-processes.ts';

const MIB = 1024 * 1024;
/** What a process is charged at least, also before it was measured. */
const PROCESS_BYTES = 64 * MIB;
/** Of the rounds in which those at work are measured, the one in which all are. */
const ROUNDS_TO_ALL = 10;
/** A tenant whose process came to a bad end waits this long for the next, then twice that, and so on, up to the last. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 3_200;
/** Bad ends that lie further back than this are forgotten. */
const FORGIVEN_MS = 30_000;
const BAD_ENDS: readonly LossReason[] = ['crashed', 'protocol', 'unresponsive', 'timeout', 'memory'];

export interface ProcessesDeps {
  /** Bytes that all may hold and take, and those of one tenant. */
  memoryBytes: number;
  tenantMemoryBytes: number;
  countEnd: (reason: LossReason) => void;
  /** There may be room that was not there before. */
  onRoom: () => void;
}

/** The processes of all tenants, and what is charged for them and for the work in them. */
export class Processes {
  #rounds = 0;
  readonly #deps: ProcessesDeps;
  readonly #tenants = new Map<string, Tenant>();
  readonly #all = new Set<TenantProcess>();
  #charged = 0;
  #work = 0;

  constructor(deps: ProcessesDeps) {
    this.#deps = deps;
  }

  get all(): ReadonlySet<TenantProcess> {
    return this.#all;
  }

  /** Work that has a place. */
  get work(): number {
    return this.#work;
  }

  get chargedBytes(): number {
    return this.#charged;
  }

  tenant(id: string): Tenant {
    const known = this.#tenants.get(id);
    if (known) return known;
    const tenant: Tenant = { id, processes: new Set(), charged: 0, work: 0, badEnds: 0, startsAt: 0 };
    this.#tenants.set(id, tenant);
    return tenant;
  }

  processesOf(tenantId: string): number {
    return this.#tenants.get(tenantId)?.processes.size ?? 0;
  }

  add(sandbox: Sandbox, tenant: Tenant, { group, isTrial, isAside, contentHash }: Needs): TenantProcess {
    const trialOf = isTrial ? contentHash : undefined;
    const process: TenantProcess = {
      ...{ sandbox, tenant, group, trialOf, isAside, residentBytes: 0, work: 0, usedAt: performance.now() },
      ...{ retiresAt: undefined, isStale: true, sharedInstances: new Set<string>() },
    };
    tenant.processes.add(process);
    sandbox.show(isTrial ? 'trial' : 'tenant');
    this.#all.add(process);
    this.#hold(process, PROCESS_BYTES);
    void sandbox.exited.then((reason) => {
      this.#deps.countEnd(reason);
      if (BAD_ENDS.includes(reason)) this.#punish(tenant);
      this.#remove(process);
      this.#deps.onRoom();
    });
    return process;
  }

  /** Ends it now. */
  end(process: TenantProcess, reason: LossReason): void {
    this.#remove(process);
    process.sandbox.kill(reason);
    this.#deps.onRoom();
  }

  begin(process: TenantProcess, bytes: number): void {
    process.work += 1;
    process.isStale = true;
    process.tenant.work += 1;
    this.#work += 1;
    this.#charge(process.tenant, bytes);
  }

  finish(process: TenantProcess, bytes: number): void {
    process.work -= 1;
    process.usedAt = performance.now();
    process.tenant.work -= 1;
    this.#work -= 1;
    this.#charge(process.tenant, -bytes);
  }

  /** What is too large for the budget runs all the same, alone. */
  fits({ charged, work }: Tenant, bytes: number): 'yes' | 'over the tenant' | 'over the runner' {
    if (work > 0 && charged + bytes > this.#deps.tenantMemoryBytes) return 'over the tenant';
    if (this.#work > 0 && this.#charged + bytes > this.#deps.memoryBytes) return 'over the runner';
    return 'yes';
  }

  /** What a process that is started for the work is charged beside it. */
  get processBytes(): number {
    return PROCESS_BYTES;
  }

  /** Looks what they hold, those that worked since the last time; now and then all, since one that was taken over needs no work to take memory. */
  measure(): void {
    this.#rounds = (this.#rounds + 1) % ROUNDS_TO_ALL;
    for (const process of this.#all) {
      if (!process.isStale && this.#rounds > 0) continue;
      process.isStale = process.work > 0;
      void process.sandbox.measure().then(() => {
        if (!this.#all.has(process)) return;
        const less = this.#hold(process, Math.max(PROCESS_BYTES, process.sandbox.residentBytes)) < 0;
        if (less) this.#deps.onRoom();
      });
    }
  }

  /** Forgets tenants of which nothing is left. */
  forget(): void {
    const now = performance.now();
    for (const tenant of this.#tenants.values()) {
      if (now - tenant.startsAt > FORGIVEN_MS) tenant.badEnds = 0;
      if (tenant.processes.size === 0 && tenant.work === 0 && tenant.badEnds === 0) {
        this.#tenants.delete(tenant.id);
      }
    }
  }

  #punish(tenant: Tenant): void {
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** tenant.badEnds, LAST_PAUSE_MS);
    tenant.badEnds += 1;
    tenant.startsAt = performance.now() + pause;
    setTimeout(this.#deps.onRoom, pause).unref();
  }

  #remove(process: TenantProcess): void {
    if (!this.#all.delete(process)) return;
    process.tenant.processes.delete(process);
    this.#hold(process, 0);
  }

  #hold(process: TenantProcess, bytes: number): number {
    const more = bytes - process.residentBytes;
    process.residentBytes = bytes;
    this.#charge(process.tenant, more);
    return more;
  }

  #charge(tenant: Tenant, bytes: number): void {
    tenant.charged += bytes;
    this.#charged += bytes;
  }
}
