import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  setHandler,
} from '@temporalio/workflow';
import type { PublisherActivities } from '../activities/publishers.ts';
import { activities } from './activities.ts';
import { trustChangedUpdate, type TransferPublisherInput } from './messages.ts';
import { createOpening } from './opening.ts';
import { OWN_DATABASE } from './own-database.ts';
import { describeWorkflow } from './search-attributes.ts';

const { transferPublisher: transfer } = activities<PublisherActivities>(OWN_DATABASE);

/** Gives a publisher to another tenant. One transaction: there is nothing to undo. A publish either was registered before it or is refused. */
export async function transferPublisher(input: TransferPublisherInput): Promise<void> {
  const opening = createOpening();
  setHandler(trustChangedUpdate, () => opening.settled(), {
    validator: (asked: object) => {
      if ('tenantId' in asked && asked.tenantId === input.tenantId) return;
      const message = 'the publisher is being given to another tenant; ask again once that has ended';
      throw ApplicationFailure.nonRetryable(message, 'STATE_CONFLICT');
    },
  });
  describeWorkflow({ ExtPhase: 'transfer publisher', ExtRequestedBy: input.requestedBy });
  try {
    // Not cancellable: what is one transaction is done or not, and its answer must say which.
    await CancellationScope.nonCancellable(() => transfer(input));
    opening.succeeded();
    describeWorkflow({ ExtPhase: 'transfer publisher: done' });
  } catch (err) {
    opening.failed(err);
    throw err;
  } finally {
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}
