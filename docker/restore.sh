#!/bin/sh
# Restores a backup whose hashes match: replaces both databases, and writes its files over the existing ones.
#   docker compose -f docker/compose.yaml run --rm restore NAME
# Reads the variables PGHOST and SECRETS (a folder). Stop all services but PostgreSQL first; run the upgrade step afterwards.
# Everything is prepared first and replaces the present data only when it is complete. A restore that failed may be repeated.
set -eu
[ $# -eq 1 ] || {
    echo "expected the name of a backup, got $# arguments; ls ${BACKUPS:-/backups}" >&2
    exit 2
}
backup=${BACKUPS:-/backups}/$1
home=${HOME_FOLDER:-/hico}
artifacts=${ARTIFACTS_FOLDER:-/artifacts}
work=${BACKUPS:-/backups}/.restore.sql # on a disk: a database may be larger than memory
restored=
umask 077

clean() {
    rm -rf "$work" "$home/.restore.part" "$artifacts/.restore.part"
}

finish() {
    status=$?
    trap - EXIT
    clean
    [ "$status" -eq 0 ] ||
        echo "the restore failed; replaced so far: ${restored:-nothing}; the same command may be repeated" >&2
    exit "$status"
}

# Runs psql on the database of role $1 with the options after it.
sql() {
    name=$1
    shift
    PGSERVICEFILE=$SECRETS/${name}_database psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 \
        "$@" "service=$name user=$name dbname=$name"
}

# Fails if database $1 has other sessions, which would go on with the old tables. Waits a moment for sessions that are ending.
alone() {
    for _ in 1 2 3; do
        others=$(sql "$1" --command="SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND usename IS NOT NULL AND pid <> pg_backend_pid()")
        [ "$others" -ne 0 ] || return 0
        sleep 1
    done
    echo "expected no other session in database '$1', got $others; end the driver's commands and" \
        "docker compose -f docker/compose.yaml stop mlflow head worker" >&2
    exit 1
}

# Writes the SQL that replaces database $1. Its last line commits, so a script that is cut short changes nothing.
prepare() {
    { # Drops everything first, including tables that a newer version added.
        echo "BEGIN; SET LOCAL client_min_messages = warning; SET LOCAL lock_timeout = '60s';"
        echo "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
        pg_restore --no-owner --no-privileges --file=- "$backup/$1.dump"
    } > "$work/$1.sql"
    tail -n 12 "$work/$1.sql" | grep -q '^-- PostgreSQL database dump complete' || {
        echo "expected all of database '$1' from pg_restore, got a part of it" >&2
        exit 1
    }
    echo "COMMIT;" >> "$work/$1.sql"
}

trap finish EXIT
trap 'exit 130' HUP INT TERM
(cd "$backup" && sha256sum --check --strict --quiet SHA256SUMS)
clean # removes the leftovers of a killed restore
mkdir "$work" "$home/.restore.part" "$artifacts/.restore.part"
for role in hico mlflow; do
    alone "$role"
    prepare "$role"
done
tar -C "$home/.restore.part" -xpzf "$backup/home.tar.gz"
tar -C "$artifacts/.restore.part" -xpzf "$backup/artifacts.tar.gz"

for role in hico mlflow; do
    alone "$role"
    sql "$role" --file="$work/$role.sql" > /dev/null
    restored="${restored:+$restored, }database $role"
done
for folder in "$home" "$artifacts"; do # each file is replaced by a rename
    cp --archive --link --force "$folder/.restore.part/." "$folder"
    restored="$restored, files in $folder"
done
echo "restored $1"
