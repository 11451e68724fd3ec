import type { CapabilityDeps } from '../../runner/capabilities/capability.ts';

/** For executions whose guests send nothing, and whose figures nobody keeps. */
export const SENDING_NOTHING: Pick<CapabilityDeps, 'egress' | 'countEgress' | 'guestMetrics'> = {
  egress: { send: () => Promise.reject(new Error('a guest sent something')), close: () => undefined },
  countEgress: () => undefined,
  guestMetrics: { emit: () => undefined, drop: () => undefined },
};
