/**
 * Names everything a precompiled artifact depends on besides the bundle: jco's version and our own revision of the options, of the
 * rewriting and of the artifact's layout in the object store. Raise the revision with any of them, and give the name it had to
 * PREVIOUS_ARTIFACT_TARGET. Revision 3: core modules are rewritten, and a plan says how they are linked; 4: not every store marks its page,
 * and a plan says what is called about tasks; 5: calls are charged for what they run; 6: so is
 * code without loops; 7: the archive is compressed less.
 */
export const ARTIFACT_TARGET = 'jco-transpile-0.15.0-v7';

/** What the release before made; loaded until `recompileAll` has made the current one. */
export const PREVIOUS_ARTIFACT_TARGET = 'jco-transpile-0.15.0-v2';

/** What a runner loads, the best first. It runs modules of revisions 3 to 6 as it does those of 7. */
export const ACCEPTED_ARTIFACT_TARGETS: readonly string[] = [
  ARTIFACT_TARGET,
  'jco-transpile-0.15.0-v6',
  'jco-transpile-0.15.0-v5',
  'jco-transpile-0.15.0-v4',
  'jco-transpile-0.15.0-v3',
  PREVIOUS_ARTIFACT_TARGET,
];
