import type { WorkflowStartOptions } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import { LIFECYCLE_TASK_QUEUE } from '../core/ids.ts';
import type { SearchAttributeName } from '../core/search-attributes.ts';
import type {
  ConfigureInstallInput,
  InstallExtensionInput,
  OperateInstallInput,
} from '../workflows/messages.ts';

/** Of every start: one that runs is joined. */
export function sharedOptions(typedSearchAttributes: TypedSearchAttributes): Pick<
  WorkflowStartOptions,
  'taskQueue' | 'typedSearchAttributes'
> & {
  workflowIdConflictPolicy: 'USE_EXISTING';
} {
  return {
    taskQueue: LIFECYCLE_TASK_QUEUE,
    workflowIdConflictPolicy: 'USE_EXISTING',
    typedSearchAttributes,
  };
}

/** What an operation on an install is found by. */
export function installAttributes(
  input: InstallExtensionInput | ConfigureInstallInput | OperateInstallInput,
): TypedSearchAttributes {
  return searchable({
    ExtTenantId: input.tenantId,
    ExtName: input.extension,
    ExtExtensionId: input.extensionId,
    ExtRequestedBy: input.requestedBy,
    ...('versionId' in input && { ExtVersion: input.version, ExtContentHash: input.contentHash }),
  });
}

export function searchable(values: Partial<Record<SearchAttributeName, string>>): TypedSearchAttributes {
  return new TypedSearchAttributes(
    Object.entries(values).map(([name, value]) => ({
      key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
      value,
    })),
  );
}
