import { existsSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadStarterConfig } from '../config.ts';
import {
  forgetPreviousArtifactKeys,
  forgetPreviousCodecKeys,
  rotateArtifactKey,
  rotateCodecKey,
} from '../secrets-file.ts';

// `npm run rotate-artifact-key`, `npm run rotate-codec-key`: a new key for `npm start`, from its next start on; with
// `-- --forget-previous`, those before it are gone.

const KEYS = {
  artifact: {
    rotate: rotateArtifactKey,
    forget: forgetPreviousArtifactKeys,
    rotated:
      'a new key signs artifacts from the next start on; what the previous one signed is still accepted',
    forgotten: 'previous keys are trusted no more, from the next start on',
  },
  codec: {
    rotate: rotateCodecKey,
    forget: forgetPreviousCodecKeys,
    rotated:
      'a new key encrypts payloads from the next start on; what the previous one encrypted can still be read',
    forgotten: 'previous keys read nothing more, from the next start on',
  },
};

const { values, positionals } = parseArgs({
  options: { 'forget-previous': { type: 'boolean', default: false } },
  allowPositionals: true,
});
const key = Object.entries(KEYS).find(([name]) => name === positionals[0])?.[1];
const { dataDir } = loadStarterConfig(process.env);
const file = path.join(dataDir, 'secrets.json');
if (!key) {
  console.error(`name the key: ${Object.keys(KEYS).join(' or ')}`);
  process.exitCode = 1;
} else if (!existsSync(file)) {
  console.error(`there is no ${file}: "npm start" makes it; set DATA_DIR if it lies elsewhere`);
  process.exitCode = 1;
} else if (values['forget-previous']) {
  console.log(`${key.forget(file)} ${key.forgotten}`);
} else {
  key.rotate(file);
  console.log(key.rotated);
}
