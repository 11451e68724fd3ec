/** Calls that pay for one that is sent again. */
const CALLS_PER_RETRY = 5;
/** What is there at first, and at most: a runner that ends leaves behind what it had of this gateway. */
const MOST = 512;

/** Bounds what is sent again to a share of what is called, so that an outage does not double the load on what is left. */
export interface RetryBudget {
  /** For each call. */
  earn(): void;
  /** For each that is sent again: false if it must not be. */
  spend(): boolean;
}

export function createRetryBudget(): RetryBudget {
  let left = MOST;
  return {
    earn() {
      if (left < MOST) left += 1 / CALLS_PER_RETRY;
    },
    spend() {
      if (left < 1) return false;
      left -= 1;
      return true;
    },
  };
}
