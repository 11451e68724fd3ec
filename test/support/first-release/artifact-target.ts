import { PREVIOUS_ARTIFACT_TARGET } from '../../../core/artifact-target.ts';

export const ARTIFACT_TARGET = PREVIOUS_ARTIFACT_TARGET;
export const ACCEPTED_ARTIFACT_TARGETS: readonly string[] = [ARTIFACT_TARGET];
