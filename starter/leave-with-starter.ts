import { subscribe } from 'node:diagnostics_channel';

// Loaded into each role ahead of its main (`--import`). When the starter is gone, however it ended, the role gets the signal
// that it drains and stops on, so that mains need to know nothing of starters. While the starter is there, it is told that the role's
// event loop turns, when it has begun to listen, and when it was told to stop, by whomever.

/** A drain that takes longer has nobody left to wait for it. */
const STOP_WITHIN_MS = 10_000;

if (process.connected) {
  const say = (what: 'alive' | 'listens' | 'drains'): void =>
    void process.send?.(what, undefined, undefined, () => undefined); // gone: then it disconnects
  process.once('disconnect', () => {
    setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
    process.kill(process.pid, 'SIGTERM');
  });
  process.on('message', () => say('alive'));
  process.once('SIGTERM', () => {
    // Nobody else heeds it yet, or any more: what it does by itself.
    if (process.listenerCount('SIGTERM') === 0) process.kill(process.pid, 'SIGTERM');
    else say('drains');
  });
  subscribe('tracing:net.server.listen:asyncEnd', () => say('listens'));
  // The listeners alone would keep a process alive that has finished.
  process.channel?.unref();
}
