// The registry that the bundler reads.
export { awaitConsent } from './await-consent.ts';
export { configureInstall } from './configure-install.ts';
export { disableInstall } from './disable-install.ts';
export { enableInstall } from './enable-install.ts';
export { housekeeping } from './housekeeping.ts';
export { installExtension } from './install-extension.ts';
export { narrowGrants } from './narrow-grants.ts';
export { pauseInstall } from './pause-install.ts';
export { precompile } from './precompile.ts';
export { publishBundle } from './publish-bundle.ts';
export { purgeInstall } from './purge-install.ts';
export { recompileAll } from './recompile-all.ts';
export { restoreInstall } from './restore-install.ts';
export { resumeInstall } from './resume-install.ts';
export { uninstallInstall } from './uninstall-install.ts';
