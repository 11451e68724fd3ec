import type { Knex } from 'knex';

/** `breaking`: code that does not have this migration cannot run on a database that has it. */
export type Migration = Knex.Migration & { breaking?: boolean };

/** In order, by the name that the database records. */
export type Migrations = Readonly<Record<string, Migration>>;

/** Any number: all processes of one database agree on it. */
const ADVISORY_LOCK = 710_226_114;

/**
 * Applies the migrations that the database lacks, all or none, and answers their names. Those it has and we do not know belong to a newer
 * release and stay. Any number of processes may call it at once.
 */
export async function migrate(db: Knex, migrations: Migrations): Promise<string[]> {
  // Knex's own lock makes a second caller fail instead of wait.
  return db.transaction(async (trx) => {
    await trx.raw('select pg_advisory_xact_lock(?)', [ADVISORY_LOCK]);
    const [, names] = (await trx.migrate.latest(configOf(migrations))) as [number, string[]];
    // In a table of its own, for processes that lack the file which says so.
    await trx.raw('create table if not exists breaking_migration (name text primary key)');
    const breaking = names.filter((name) => migrations[name]?.breaking === true);
    if (breaking.length > 0) await trx('breaking_migration').insert(breaking.map((name) => ({ name })));
    return names;
  });
}

/** Undoes everything; for tests. */
export async function migrateDown(db: Knex, migrations: Migrations): Promise<void> {
  await db.migrate.rollback(configOf(migrations), true);
  await db.schema.dropTableIfExists('breaking_migration');
}

/** Names a database has, and those of them that code without them cannot run on. */
export interface AppliedMigrations {
  names: string[];
  breaking: string[];
}

/** Nothing on an empty database. */
export async function readApplied(db: Knex): Promise<AppliedMigrations> {
  const [names, breaking] = await Promise.all(
    ['knex_migrations', 'breaking_migration'].map(async (table) =>
      (await db.schema.hasTable(table)) ? db(table).orderBy('name').pluck<string[]>('name') : [],
    ),
  );
  return { names: names ?? [], breaking: breaking ?? [] };
}

function configOf(migrations: Migrations): Knex.MigratorConfig {
  return { migrationSource: source(migrations), disableMigrationsListValidation: true };
}

function source(migrations: Migrations): Knex.MigrationSource<string> {
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
