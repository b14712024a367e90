#!/bin/sh
# Creates the secrets of compose.yaml: docker/secrets.sh [FOLDER]. Existing ones are kept.
#
# Only its owner can enter the folder. The files in it are readable by all, since each is mounted by itself into the
# containers of the services that name it, whose user IDs differ from yours.
set -eu
folder=${1:-$(dirname "$0")/secrets}
umask 077
mkdir -p "$folder"
chmod 0700 "$folder"

# Sets "fresh" to a new random value, or ends this script if there is none (a function in a pipe could not end it).
random() {
    fresh=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    [ ${#fresh} -eq 48 ] || {
        echo "expected 48 random digits from od, got ${#fresh}; is coreutils installed?" >&2
        exit 1
    }
}

# Writes standard input as secret $1, atomically.
write() {
    rm -f "$folder/.$1.new" # left by a run that was killed; it is read-only
    cat > "$folder/.$1.new"
    chmod 0444 "$folder/.$1.new"
    mv -f "$folder/.$1.new" "$folder/$1"
}

# Whether secret $1 has to be created. An empty file counts as missing.
missing() {
    [ ! -s "$folder/$1" ]
}

# Prints the value of key $2 in secret $1; ends this script if there is none.
value() {
    found=$(sed -n "s/^$2 *[=:] *//p" "$folder/$1")
    [ -n "$found" ] || {
        echo "expected a value of '$2' in $folder/$1, got none; remove the file and run this again" >&2
        exit 1
    }
    echo "$found"
}

for name in ray_token postgres_superuser; do
    if missing "$name"; then
        random
        printf %s "$fresh" | write "$name"
    fi
done
for role in hico mlflow; do # service files of libpq: addresses name the service and hold no password
    if missing "${role}_database"; then
        random
        printf '[%s]\npassword=%s\n' "$role" "$fresh" | write "${role}_database"
    fi
    value "${role}_database" password > /dev/null
done
if missing mlflow_credentials; then
    random
    printf '[mlflow]\nmlflow_tracking_username = hico\nmlflow_tracking_password = %s\n' "$fresh" |
        write mlflow_credentials
fi
password=$(value mlflow_credentials mlflow_tracking_password)
if missing mlflow_auth; then
    write mlflow_auth <<END
[mlflow]
default_permission = READ
database_uri = postgresql+psycopg://mlflow@${HICO_DATABASE_HOST:-postgres}/mlflow?service=mlflow
admin_username = hico
admin_password = $password
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
grant_default_workspace_access = false
END
fi
value mlflow_auth admin_password > /dev/null
