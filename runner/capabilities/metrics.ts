import { z } from 'zod';
import { GUEST_METRIC_LIMITS, type Dropped, type Emission } from '../guest-metrics.ts';
import type { Capability, HostFunction } from './capability.ts';

// What is no number (NaN, infinite) does not cross from the sandbox.
const args = z.tuple([
  z.string(),
  z.number().optional(),
  z.array(z.object({ name: z.string(), value: z.string() })),
]);

const WHY: Record<Exclude<Dropped, 'not-granted'>, string> = {
  invalid: 'its name, value or labels are not as wit/metrics.wit says',
  rate: `an install tells at most ${GUEST_METRIC_LIMITS.perMinute} in a minute`,
  'limit-of-install': 'the install has as many metrics as it may; use fewer names and values of labels',
  'limit-of-tenant': 'the extensions of this tenant have as many metrics as they may',
  'limit-of-runner': 'the platform keeps as many metrics of extensions as it can',
};

/** Counters and histograms of the install, for operators. */
export const metricsCapability: Capability = {
  name: 'metrics.emit',
  bind({ request, explain }, _scope, { guestMetrics }) {
    const emit =
      (kind: Emission['kind']): HostFunction =>
      (given) => {
        const [name, value, labels] = args.parse(given);
        const dropped = guestMetrics.emit(request.context, { kind, name, value, labels });
        if (dropped !== undefined && dropped !== 'not-granted') {
          explain(`cap:metrics.emit left a metric out: ${WHY[dropped]}`);
        }
        return { ok: undefined };
      };
    return { metrics: { count: emit('counter'), observe: emit('histogram') } };
  },
};
