#!/bin/sh
# Starts MLflow's server with the secret key that its sign-up form needs, a new one at each start: sh mlflow.sh OPTION...
set -eu
MLFLOW_FLASK_SERVER_SECRET_KEY=$(python -c 'import secrets; print(secrets.token_hex(32))')
export MLFLOW_FLASK_SERVER_SECRET_KEY
exec mlflow server "$@"
