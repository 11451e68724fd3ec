#!/bin/bash
# `containers/upgrade.sh [PROJECT]`: replaces the roles by those of the images that were built or pulled since, runners first, without failing a call: new
# containers join the old ones, and the old ones are told to stop once the new ones serve. Before it: `npm run build:images`, or IMAGE_TAG of another release.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
project=${1:-$(basename "$PWD" | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9_-')}
if docker compose version >/dev/null 2>&1; then compose=(docker compose -p "$project"); else compose=(docker-compose -p "$project"); fi

# The schema of the new release is one that the old one works with (docs/how-to/write-a-migration.md).
"${compose[@]}" run --rm --no-deps migrate
for service in runner gateway lifecycle-worker precompile-worker; do
  mapfile -t old < <("${compose[@]}" ps --quiet "$service")
  [ "${#old[@]}" -gt 0 ] || continue
  "${compose[@]}" up --detach --no-build --no-deps --no-recreate --scale "$service=$((2 * ${#old[@]}))" "$service"
  mapfile -t new < <("${compose[@]}" ps --quiet "$service" | grep --invert-match --fixed-strings "$(printf '%s\n' "${old[@]}")")
  [ "${#new[@]}" -gt 0 ] || { echo "no new $service was made; the old one serves on" >&2; exit 1; }
  deadline=$((SECONDS + ${READY_WITHIN_SECONDS:-180}))
  until [ "$(docker inspect --format '{{.State.Health.Status}}' "${new[@]}" | grep --count --line-regexp healthy)" -eq "${#new[@]}" ]; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      echo "the new $service is not ready; the old one serves on, and the new one is removed. The last that it said:" >&2
      docker logs --tail 20 "${new[0]}" >&2
      docker rm --force "${new[@]}" >/dev/null
      exit 1
    fi
    sleep 1
  done
  # Gateways look for runners every 3 s.
  sleep 5
  docker stop --time 120 "${old[@]}"
  docker rm "${old[@]}"
done
