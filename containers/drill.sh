#!/bin/bash
# `containers/drill.sh PROJECT`: proves that a backup of a running project can be restored: into a project beside it, on other ports, whose example then
# answers a call with the key that was kept, and goes on counting. Leaves nothing of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
project=${1:?drill.sh PROJECT}
folder=$(mktemp -d)
restored=$project-drill
if docker compose version >/dev/null 2>&1; then compose=(docker compose); else compose=(docker-compose); fi
count() { # PROJECT PORT
  key=$("${compose[@]}" -p "$1" run --rm keys user 2>/dev/null | tail -n 1 | tr -d '\r')
  curl --silent --fail --retry 30 --retry-delay 2 --retry-all-errors --header @<(echo "authorization: Bearer $key") \
    "http://127.0.0.1:$2/api/ext/alga.hello/hello/drill" | sed -n 's/.*"count":\([0-9]*\).*/\1/p'
}
before=$(count "$project" "${GATEWAY_PORT:-8080}")
containers/backup.sh "$folder" "$project"
export GATEWAY_PORT=${DRILL_PORT:-18080} RUNNER_UI_PORT=${DRILL_UI_PORT:-18091} TEMPORAL_UI_PORT=${DRILL_TEMPORAL_UI_PORT:-18233}
trap '"${compose[@]}" -p "$restored" down --volumes --timeout 5; rm -rf "$folder"' EXIT
containers/restore.sh "$folder" "$restored"
after=$(count "$restored" "$GATEWAY_PORT")
echo "the count was $before before the backup, and is $after in what was restored"
[ "$after" -gt "$before" ]
