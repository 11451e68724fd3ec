// The registry that the bundler reads.
export { awaitConsent } from './await-consent.ts';
export { configureInstall } from './configure-install.ts';
export { housekeeping } from './housekeeping.ts';
export { installExtension } from './install-extension.ts';
export { publishBundle } from './publish-bundle.ts';
