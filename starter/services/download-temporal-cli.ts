// Run as a program by temporal-cli.ts: `node download-temporal-cli.ts <folder> <version>` leaves the CLI in the folder.
import { TestWorkflowEnvironment } from '@temporalio/testing';

const [downloadDir, version] = process.argv.slice(2);
if (downloadDir === undefined || version === undefined) throw new Error('usage: <folder> <version>');
try {
  const environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'cached-download', downloadDir, version } },
  });
  await environment.teardown();
} catch (cause) {
  // The reason alone: Node would print the line of code first, and temporal-cli.ts shows what is said.
  process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n`);
  process.exitCode = 1;
}
