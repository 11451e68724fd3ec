import type { PublisherStore, PublisherTransfer } from '../platform/db/publishers.ts';

export type PublisherActivities = ReturnType<typeof createPublisherActivities>;

export function createPublisherActivities({ publishers }: { publishers: Pick<PublisherStore, 'transfer'> }) {
  return {
    /** Bears to run twice. */
    async transferPublisher(transfer: PublisherTransfer): Promise<void> {
      await publishers.transfer(transfer);
    },
  };
}
