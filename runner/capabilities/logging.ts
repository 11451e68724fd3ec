import { z } from 'zod';
import type { Capability, HostFunction, LogLevel } from './capability.ts';

const args = z.tuple([z.string()]);

/** Lines of the guest's own log. */
export const loggingCapability: Capability = {
  name: 'log.emit',
  bind({ guestLog }) {
    const log =
      (level: LogLevel): HostFunction =>
      (given) => {
        const [message] = args.parse(given);
        guestLog(level, message);
        return { ok: undefined };
      };
    return { logging: { 'log-info': log('info'), 'log-warn': log('warn'), 'log-error': log('error') } };
  },
};
