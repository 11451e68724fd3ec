#!/bin/sh
# Brings Temporal's two databases to the schema of its release; a second run changes nothing.
set -eu
SQL_PASSWORD=$(cat /run/secrets/TEMPORAL_PASSWORD)
export SQL_PASSWORD
for database in temporal:temporal temporal_visibility:visibility; do
  name=${database%%:*}
  schema=/etc/temporal/schema/postgresql/v12/${database#*:}/versioned
  tool() {
    temporal-sql-tool --plugin postgres12 --endpoint "${TEMPORAL_DATABASE_HOST:-postgres}" --port 5432 --user temporal --database "$name" "$@"
  }
  tool setup-schema --version 0.0
  tool update-schema --schema-dir "$schema"
done
