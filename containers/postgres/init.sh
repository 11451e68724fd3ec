#!/bin/bash
# Run once, on an empty data folder: a user and a database for the platform, and one for Temporal with its two. Neither reaches the other's.
set -euo pipefail
platform=$(</run/secrets/PLATFORM_PASSWORD)
temporal=$(</run/secrets/TEMPORAL_PASSWORD)
psql --username "${POSTGRES_USER:-postgres}" --dbname postgres --set ON_ERROR_STOP=1 --set platform="$platform" --set temporal="$temporal" <<'SQL'
create role platform login password :'platform';
create role temporal login password :'temporal';
create database platform owner platform;
create database temporal owner temporal;
create database temporal_visibility owner temporal;
revoke connect on database platform, temporal, temporal_visibility, postgres from public;
SQL
