import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import { createPayloadCodec, type CodecKeys } from './payload-codec.ts';

/** A path because it is bundled with the workflows: `bundleWorkflowCode` and the worker must be given the same. */
export const FAILURE_CONVERTER_PATH = fileURLToPath(new URL('./failure-converter.ts', import.meta.url));

/** How clients and workers turn values into payloads: encrypted, failure messages and stacks too. */
export function createDataConverter(codecKeys: CodecKeys): DataConverter {
  return { failureConverterPath: FAILURE_CONVERTER_PATH, payloadCodecs: [createPayloadCodec(codecKeys)] };
}
