import { PlatformError } from '../../core/errors.ts';
import type { VerifiedArtifact } from '../../platform/component/artifact.ts';
import type { SandboxLostError } from './sandbox-lost.ts';

const MIB = 1024 * 1024;
/** Of the components that one process keeps, in what they weigh. */
const MAX_BYTES = 448 * MIB;
/** Compiling and instantiating once; far more than the largest component needs on a busy machine. */
const LOAD_DEADLINE_MS = 30_000;

/**
 * What a component that was called takes of its process: code, the memory that its instances begin with, and an instance. Measured: 40
 * MiB for 27 of modules and memory (StarlingMonkey), 8 for 3.5 (QuickJS). See docs/decisions/0026.
 */
function weigh({ expandedBytes = 0, memoryBytes = 0 }: LoadEnd): number {
  return 1.5 * (expandedBytes + memoryBytes) + 2 * MIB;
}

interface Component {
  loaded: PromiseWithResolvers<undefined>;
  timer: NodeJS.Timeout;
  /** 0 until it is loaded. */
  bytes: number;
  /** Calls that were sent. */
  calls: number;
}

/** How a load ended, as the sandbox says. */
export interface LoadEnd {
  failure?: string | undefined;
  trapped?: boolean | undefined;
  expandedBytes?: number | undefined;
  /** Of an instance as it begins. */
  memoryBytes?: number | undefined;
}

export interface LoadedComponentsDeps {
  /** Sends the artifact on; answers the load's id. */
  sendLoad: (artifact: VerifiedArtifact) => number;
  sendUnload: (contentHash: string) => void;
  /** The sandbox does not come to an end with a load. */
  giveUp: () => void;
  countUnload: () => void;
  maxBytes?: number;
}

/** What one sandbox has loaded, as its supervisor knows it. Those that were called longest ago are unloaded when they weigh too much together. */
export class LoadedComponents {
  readonly #deps: LoadedComponentsDeps;
  /** By content hash, in the order of their last use. */
  readonly #components = new Map<string, Component>();
  readonly #loading = new Map<number, string>();
  #bytes = 0;

  constructor(deps: LoadedComponentsDeps) {
    this.#deps = deps;
  }

  /** Loaded or about to be. */
  has(contentHash: string): boolean {
    return this.#components.has(contentHash);
  }

  isLoading(id: number): boolean {
    return this.#loading.has(id);
  }

  /** Loads under way. */
  get loading(): number {
    return this.#loading.size;
  }

  /** A second load of a hash waits for the first. Throws ARTIFACT_INVALID, GUEST_TRAPPED, GUEST_TIMEOUT, SandboxLostError. */
  load(artifact: VerifiedArtifact, deadlineMs = LOAD_DEADLINE_MS): Promise<void> {
    const { contentHash } = artifact;
    const known = this.#components.get(contentHash);
    if (known !== undefined) return known.loaded.promise;
    const loaded = Promise.withResolvers<undefined>();
    const id = this.#deps.sendLoad(artifact);
    const timer = setTimeout(() => {
      this.#fail(id, new PlatformError('GUEST_TIMEOUT', 'the component did not finish to instantiate'));
      this.#deps.giveUp();
    }, deadlineMs);
    this.#components.set(contentHash, { loaded, timer, bytes: 0, calls: 0 });
    this.#loading.set(id, contentHash);
    return loaded.promise;
  }

  /** The sandbox's answer to a load. */
  settle(id: number, end: LoadEnd): void {
    const { failure, trapped } = end;
    if (failure !== undefined) {
      const code = trapped === true ? 'GUEST_TRAPPED' : 'ARTIFACT_INVALID';
      this.#fail(id, new PlatformError(code, 'its sandbox could not load the component'));
      return;
    }
    const component = this.#components.get(this.#loading.get(id) ?? '');
    this.#loading.delete(id);
    if (!component) return;
    clearTimeout(component.timer);
    component.bytes = weigh(end);
    this.#bytes += component.bytes;
    component.loaded.resolve(undefined);
    setImmediate(() => this.#trim()); // after those who waited for it have begun
  }

  /** A call of a loaded component, which stays until `endCall`. */
  beginCall(contentHash: string): void {
    const component = this.#components.get(contentHash);
    if (!component) return;
    component.calls += 1;
    this.#components.delete(contentHash);
    this.#components.set(contentHash, component);
  }

  endCall(contentHash: string): void {
    const component = this.#components.get(contentHash);
    if (!component) return;
    component.calls -= 1;
    if (this.#bytes > (this.#deps.maxBytes ?? MAX_BYTES)) this.#trim();
  }

  /** The process is gone. */
  lose(err: SandboxLostError): void {
    for (const id of [...this.#loading.keys()]) this.#fail(id, err);
    this.#components.clear();
    this.#bytes = 0;
  }

  #fail(id: number, err: Error): void {
    const contentHash = this.#loading.get(id) ?? '';
    const component = this.#components.get(contentHash);
    this.#loading.delete(id);
    this.#components.delete(contentHash);
    clearTimeout(component?.timer);
    component?.loaded.reject(err);
  }

  /** The last one always stays. */
  #trim(): void {
    let left = this.#components.size;
    for (const [contentHash, { bytes, calls }] of this.#components) {
      left -= 1;
      if (left === 0 || this.#bytes <= (this.#deps.maxBytes ?? MAX_BYTES)) return;
      if (bytes === 0 || calls > 0) continue;
      this.#components.delete(contentHash);
      this.#bytes -= bytes;
      this.#deps.sendUnload(contentHash);
      this.#deps.countUnload();
    }
  }
}
