#!/bin/bash
# `containers/restore.sh FOLDER [PROJECT]`: brings back what backup.sh kept, into a project that has no data yet, and starts it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${1:?restore.sh FOLDER [PROJECT]}
project=${2:-$(basename "$PWD" | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9_-')}
if docker compose version >/dev/null 2>&1; then compose=(docker compose -p "$project"); else compose=(docker-compose -p "$project"); fi
image=${IMAGE_PREFIX:-alga}/setup:${IMAGE_TAG:-latest}
if docker volume inspect "${project}_postgres" >/dev/null 2>&1; then
  echo "$project has data already; restore into a project that has none, or remove it with 'down --volumes' first" >&2
  exit 1
fi

"${compose[@]}" up --no-start --no-build secrets
for volume in secrets:/secrets/all objects:/data/objects; do
  docker run --rm --interactive --network none --volume "${project}_${volume%%:*}:${volume#*:}" --entrypoint tar "$image" \
    --extract --xattrs --no-same-owner --directory "${volume#*:}" < "$folder/${volume%%:*}.tar"
done
# Makes the users anew, with the passwords that were kept, and empty databases.
"${compose[@]}" up --detach --no-build postgres
until "${compose[@]}" exec -T postgres pg_isready --quiet --host=127.0.0.1; do sleep 1; done
for database in platform temporal temporal_visibility; do
  "${compose[@]}" exec -T postgres pg_restore --username=postgres --exit-on-error --dbname="$database" < "$folder/$database.dump"
done
"${compose[@]}" up --detach --no-build
