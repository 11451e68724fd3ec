import { migrations } from '../migrations/index.ts';
import { loadDatabaseUrl } from '../platform/config/environment.ts';
import { isDatabaseAway, openDatabase } from '../platform/db/database.ts';
import { migrate, readApplied } from '../platform/db/migrate.ts';

// Brings DATABASE_URL to the schema of this release. Run it before the processes of the release start; a second run changes nothing.

const url = loadDatabaseUrl(process.env);
const db = openDatabase({ url, poolMax: 1 });
try {
  const applied = await migrate(db, migrations);
  for (const name of applied) console.log(`applied ${name}`);
  const newer = (await readApplied(db)).names.filter((name) => !(name in migrations));
  if (newer.length > 0) console.log(`left as they are, from a newer release: ${newer.join(', ')}`);
  console.log(applied.length > 0 ? 'the database is ready' : 'the database was ready, nothing to apply');
} catch (err) {
  if (!isDatabaseAway(err)) throw err;
  console.error('the database does not answer; see that it runs and that DATABASE_URL names it:', err);
  process.exitCode = 1;
} finally {
  await db.destroy();
}
