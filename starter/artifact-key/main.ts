import { existsSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { forgetPreviousArtifactKeys, rotateArtifactKey } from '../secrets-file.ts';
import { loadStarterConfig } from '../config.ts';

// `npm run rotate-artifact-key`: a new counter-signing key for `npm start`, from its next start on; with `-- --forget-previous`, the
// keys before it are trusted no more.

const { values } = parseArgs({ options: { 'forget-previous': { type: 'boolean', default: false } } });
const { dataDir } = loadStarterConfig(process.env);
const file = path.join(dataDir, 'secrets.json');
if (!existsSync(file)) {
  console.error(`there is no ${file}: "npm start" makes it; set DATA_DIR if it lies elsewhere`);
  process.exitCode = 1;
} else if (values['forget-previous']) {
  const forgotten = forgetPreviousArtifactKeys(file);
  console.log(`${forgotten} previous keys are trusted no more, from the next start on`);
} else {
  rotateArtifactKey(file);
  console.log(
    'a new key signs artifacts from the next start on; what the previous one signed is still accepted',
  );
}
