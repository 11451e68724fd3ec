import { rmSync } from 'node:fs';

export default function teardown(): void {
  const dataDir = process.env['TEST_STARTED_DATA_DIR'];
  if (dataDir !== undefined) rmSync(dataDir, { recursive: true });
}
