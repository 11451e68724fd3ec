#!/bin/bash
# `containers/backup.sh FOLDER [PROJECT]`: everything that has to be kept, in one folder. The roles and Temporal stand still meanwhile, so that all parts are
# of one moment; what clients ask for is refused until it is done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${1:?backup.sh FOLDER [PROJECT]}
project=${2:-$(basename "$PWD" | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9_-')}
mkdir -p -m 700 "$folder"
if docker compose version >/dev/null 2>&1; then compose=(docker compose -p "$project"); else compose=(docker-compose -p "$project"); fi
image=${IMAGE_PREFIX:-alga}/setup:${IMAGE_TAG:-latest}
roles=(nginx gateway lifecycle-worker precompile-worker runner temporal)

"${compose[@]}" stop "${roles[@]}"
trap '"${compose[@]}" start "${roles[@]}"' EXIT
umask 077
for database in platform temporal temporal_visibility; do
  "${compose[@]}" exec -T postgres pg_dump --username=postgres --format=custom "$database" > "$folder/$database.dump"
done
for volume in secrets:/secrets/all objects:/data/objects; do
  docker run --rm --network none --volume "${project}_${volume%%:*}:${volume#*:}:ro" --entrypoint tar "$image" \
    --create --xattrs --directory "${volume#*:}" . > "$folder/${volume%%:*}.tar"
done
echo "kept in $folder; whoever has it has every secret of the platform"
