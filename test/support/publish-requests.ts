import type { StoreRequest } from './object-store-gate.ts';

interface BundleAtStore {
  tenantId: string;
  /** Hex. */
  sha256: string;
}

/** A step of a publish, known to be under way by a request to the object store. */
export interface StepAtStore {
  name: string;
  /** Whose work it is, beside the object store's. */
  by: 'gateway' | 'lifecycle-worker' | 'precompile-worker';
  /** Comes in parts. */
  isLarge?: true;
  /** Which requests of the publish of a bundle those are. Keeps what it has seen: to be asked about each. */
  at: (bundle: BundleAtStore) => (request: StoreRequest) => boolean;
}

const staged = ({ tenantId }: BundleAtStore, { key }: StoreRequest): boolean =>
  key.startsWith(`staging/${tenantId}/`);

export const PUBLISH_REQUESTS = {
  initiate: {
    name: 'initiate',
    by: 'gateway',
    isLarge: true,
    at: (bundle) => (request) =>
      request.method === 'POST' && request.query.has('uploads') && staged(bundle, request),
  },
  upload: {
    name: 'upload',
    by: 'gateway',
    at: (bundle) => (request) => request.method === 'PUT' && !request.copies && staged(bundle, request),
  },
  finalize: {
    name: 'finalize',
    by: 'lifecycle-worker',
    isLarge: true,
    at(bundle) {
      let isJoined = false; // what is asked again then finds the object
      return (request) => {
        if (!staged(bundle, request)) return false;
        const joins = request.method === 'POST' && request.query.has('uploadId');
        isJoined ||= joins;
        return joins || (isJoined && request.method === 'HEAD');
      };
    },
  },
  pin: {
    name: 'pin',
    by: 'lifecycle-worker',
    at: (bundle) => (request) => request.method === 'PUT' && request.copies && staged(bundle, request),
  },
  verify: {
    name: 'verify',
    by: 'lifecycle-worker',
    at: (bundle) => (request) =>
      request.method === 'GET' && request.key.endsWith('.tar.zst') && staged(bundle, request),
  },
  inspect: {
    name: 'inspect',
    by: 'precompile-worker',
    at: (bundle) => (request) =>
      request.method === 'GET' && request.key.endsWith('.wasm') && staged(bundle, request),
  },
  promote: {
    name: 'promote',
    by: 'lifecycle-worker',
    // One of three copies.
    at:
      ({ sha256 }) =>
      ({ method, copies, key }) =>
        method === 'PUT' && copies && key.startsWith(`sha256/${sha256}/`),
  },
  precompile: {
    name: 'precompile',
    by: 'precompile-worker',
    at:
      ({ sha256 }) =>
      ({ method, key }) =>
        method === 'PUT' && key.startsWith(`sha256/${sha256}/precompiled/`),
  },
  register: {
    name: 'register',
    by: 'lifecycle-worker',
    at({ sha256 }) {
      let isPrecompiled = false; // which reads the manifest as well
      return ({ method, key }) => {
        isPrecompiled ||= method === 'PUT' && key.startsWith(`sha256/${sha256}/signatures/`);
        return isPrecompiled && method === 'GET' && key === `sha256/${sha256}/manifest.json`;
      };
    },
  },
  cleanUp: {
    name: 'clean up',
    by: 'lifecycle-worker',
    at: (bundle) => (request) => request.method === 'DELETE' && staged(bundle, request),
  },
} satisfies Record<string, StepAtStore>;
