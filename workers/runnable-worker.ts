/** A worker of either kind, connected and not yet polling. */
export interface RunnableWorker {
  /** Polls until shut down. */
  run(): Promise<void>;
  /** Whether it takes tasks. It does so too while Temporal is away: it asks on. */
  polls(): boolean;
  /** Takes no new tasks, lets the running ones end or cancels them, then `run` settles. */
  shutdown(): void;
  /** After `run` has settled. */
  close(): Promise<void>;
}
