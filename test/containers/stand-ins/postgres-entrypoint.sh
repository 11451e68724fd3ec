#!/bin/bash
# What is used here of the public image's entrypoint: a data folder that is empty becomes a cluster, with the superuser's password from a file, and the
# scripts are run in it before it listens to anybody.
set -euo pipefail
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
export PATH POSTGRES_USER=postgres
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username=postgres --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  pg_ctl --silent --wait --options="-c listen_addresses=''" start
  for script in /docker-entrypoint-initdb.d/*.sh; do bash "$script"; done
  pg_ctl --silent --wait stop
fi
exec "$@" -c listen_addresses='*'
