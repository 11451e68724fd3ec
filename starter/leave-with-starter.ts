// Loaded into each role ahead of its main (`--import`). When the starter is gone, however it ended, the role gets the signal
// that it drains and stops on, so that mains need to know nothing of starters. While the starter is there, it is told that the role's
// event loop turns.

/** A drain that takes longer has nobody left to wait for it. */
const STOP_WITHIN_MS = 10_000;

if (process.connected) {
  process.once('disconnect', () => {
    setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
    process.kill(process.pid, 'SIGTERM');
  });
  process.on('message', () => process.send?.('alive', undefined, undefined, () => undefined)); // gone: then it disconnects
  // The listeners alone would keep a process alive that has finished.
  process.channel?.unref();
}
