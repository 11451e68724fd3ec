import { getExternalWorkflowHandle, log } from '@temporalio/workflow';
import { purgeWorkflowId } from '../core/ids.ts';
import { purgeChangedSignal } from './messages.ts';

/** The purge of an install looks at the row again. False where none is there. */
export async function tellPurge(installId: string): Promise<boolean> {
  try {
    await getExternalWorkflowHandle(purgeWorkflowId(installId)).signal(purgeChangedSignal);
    return true;
  } catch {
    log.info('no purge waited for the install', { installId });
    return false;
  }
}
