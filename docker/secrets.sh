#!/bin/sh
# Makes the secrets of compose.yaml: docker/secrets.sh [FOLDER]. Those that are there stay as they are.
#
# The folder is its owner's alone. The files in it can be read by all, since each is mounted alone into the containers
# of the services that name it, whose users have other numbers than yours.
set -eu
folder=${1:-$(dirname "$0")/secrets}
umask 077
mkdir -p "$folder"
chmod 0700 "$folder"

random() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# Writes standard input as secret $1, whole or not at all.
write() {
    cat > "$folder/.$1.new"
    chmod 0444 "$folder/.$1.new"
    mv "$folder/.$1.new" "$folder/$1"
}

# What the line of secret $1 that begins with $2 says.
value() {
    sed -n "s/^$2//p" "$folder/$1"
}

[ -e "$folder/ray_token" ] || random | write ray_token
[ -e "$folder/postgres_superuser" ] || random | write postgres_superuser
for role in hico mlflow; do # service files of libpq: addresses name the service and hold no password
    [ -e "$folder/${role}_database" ] || printf '[%s]\npassword=%s\n' "$role" "$(random)" | write "${role}_database"
done
[ -e "$folder/mlflow_credentials" ] ||
    printf '[mlflow]\nmlflow_tracking_username = hico\nmlflow_tracking_password = %s\n' "$(random)" |
    write mlflow_credentials
[ -e "$folder/mlflow_auth" ] || write mlflow_auth <<END
[mlflow]
default_permission = READ
database_uri = postgresql+psycopg://mlflow@${HICO_DATABASE_HOST:-postgres}/mlflow?service=mlflow
admin_username = hico
admin_password = $(value mlflow_credentials 'mlflow_tracking_password = ')
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
grant_default_workspace_access = false
END
