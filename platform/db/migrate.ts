import type { Knex } from 'knex';

/** Any number: all processes of one database agree on it. */
const ADVISORY_LOCK = 710_226_114;

/** Brings the database to the newest schema and answers the names it applied. Any number of processes may call it at once. */
export async function migrate(
  db: Knex,
  migrations: Readonly<Record<string, Knex.Migration>>,
): Promise<string[]> {
  // Knex's own lock makes a second caller fail instead of wait.
  return db.transaction(async (trx) => {
    await trx.raw('select pg_advisory_xact_lock(?)', [ADVISORY_LOCK]);
    const [, names] = (await trx.migrate.latest({ migrationSource: source(migrations) })) as [
      number,
      string[],
    ];
    return names;
  });
}

/** Undoes everything; for tests. */
export async function migrateDown(
  db: Knex,
  migrations: Readonly<Record<string, Knex.Migration>>,
): Promise<void> {
  await db.migrate.rollback({ migrationSource: source(migrations) }, true);
}

function source(migrations: Readonly<Record<string, Knex.Migration>>): Knex.MigrationSource<string> {
  return {
    getMigrations: () => Promise.resolve(Object.keys(migrations)),
    getMigrationName: (name) => name,
    getMigration: (name) => {
      const migration = migrations[name];
      if (!migration) throw new Error(`no migration ${name}`);
      return Promise.resolve(migration);
    },
  };
}
