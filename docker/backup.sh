#!/bin/sh
# Writes a backup into a new folder in BACKUPS: both databases, then the home and MLflow's artifacts, and their hashes.
#   docker compose -f docker/compose.yaml run --rm backup [NAME]
# Reads the variables PGHOST and SECRETS (a folder). Each database is dumped by its own role, as a consistent snapshot. Files
# are copied after the databases, so all files that a database names exist. End or interrupt searches first: a running
# search would go on writing.
set -eu
name=${1:-$(date -u +%Y%m%dT%H%M%SZ)}
backups=${BACKUPS:-/backups}
umask 077
[ ! -e "$backups/$name" ] || {
    echo "expected a new folder, got '$backups/$name'; give another name" >&2
    exit 2
}
part=$backups/.$name.part
trap 'rm -rf "$part"' EXIT # of a backup that failed; a complete one has been renamed
trap 'exit 130' HUP INT TERM
rm -rf "$part"
mkdir "$part"
for role in hico mlflow; do
    PGSERVICEFILE=$SECRETS/${role}_database pg_dump --format=custom --file="$part/$role.dump" \
        "service=$role user=$role dbname=$role"
done
tar -C "${HOME_FOLDER:-/hico}" --exclude=./.restore.part -czf "$part/home.tar.gz" .
tar -C "${ARTIFACTS_FOLDER:-/artifacts}" --exclude=./.restore.part -czf "$part/artifacts.tar.gz" .
(cd "$part" && sha256sum -- *.dump *.tar.gz > SHA256SUMS)
sync
mv -T "$part" "$backups/$name"
echo "$backups/$name"
