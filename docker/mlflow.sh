#!/bin/sh
# Starts MLflow's server with the key that its sign-up form asks for, a new one each time: sh mlflow.sh OPTION...
set -eu
MLFLOW_FLASK_SERVER_SECRET_KEY=$(python -c 'import secrets; print(secrets.token_hex(32))')
export MLFLOW_FLASK_SERVER_SECRET_KEY
exec mlflow server "$@"
