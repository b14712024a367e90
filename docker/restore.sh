#!/bin/sh
# Puts a backup back, once its hashes are right: both databases as they were, and its files over those that are there.
#   docker compose -f docker/compose.yaml run --rm restore NAME
# Takes PGHOST and the folder SECRETS. Stop everything but PostgreSQL first; run the upgrade step after it.
set -eu
[ $# -eq 1 ] || {
    echo "expected the name of a backup, got $# arguments; ls ${BACKUPS:-/backups}" >&2
    exit 2
}
cd "${BACKUPS:-/backups}/$1"
sha256sum --check --strict --quiet SHA256SUMS
for role in hico mlflow; do # a database is as it was or, if anything fails, as it is
    export PGSERVICEFILE="$SECRETS/${role}_database"
    { # Everything of today goes first, tables that a newer version added included.
        echo "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
        pg_restore --no-owner --no-privileges --file=- "$role.dump"
    } | psql --no-psqlrc --quiet --single-transaction --set=ON_ERROR_STOP=1 "service=$role user=$role dbname=$role" > /dev/null
done
tar -C "${HOME_FOLDER:-/hico}" -xzf home.tar.gz
tar -C "${ARTIFACTS_FOLDER:-/artifacts}" -xzf artifacts.tar.gz
echo "restored $1"
