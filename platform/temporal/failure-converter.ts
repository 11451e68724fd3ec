import { DefaultFailureConverter } from '@temporalio/common';

/** Moves messages and stacks of failures into a payload, where the codec encrypts them. Bundled with the workflows by its path. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
