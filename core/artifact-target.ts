/**
 * Names everything a precompiled artifact depends on besides the bundle: jco's version and our own revision of the options, of
 * the rewriting and of the artifact's layout. Raise the revision with any of them: artifacts of another target are not loaded.
 */
export const ARTIFACT_TARGET = 'jco-transpile-0.15.0-v1';
