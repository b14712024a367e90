#!/bin/sh
# Creates the tables of the study database and of MLflow's, or migrates them to the installed versions of Optuna and MLflow;
# tables that are up to date are not changed. Reads HICO_STORAGE, HICO_TRACKING_DATABASE and SECRETS (a folder).
# Make a backup first: not every migration can be undone.
set -eu
export PGSERVICEFILE="$SECRETS/hico_database"
python - <<'END' # "optuna storage upgrade" fails on an empty database
import os

import sqlalchemy
from optuna.storages import RDBStorage

url = os.environ["HICO_STORAGE"]
empty = not sqlalchemy.inspect(sqlalchemy.create_engine(url)).has_table("version_info")
storage = RDBStorage(url, skip_compatibility_check=True, skip_table_creation=not empty)
storage.upgrade()
print("study database at", storage.get_current_version())
END
export PGSERVICEFILE="$SECRETS/mlflow_database"
mlflow db upgrade "$HICO_TRACKING_DATABASE"
python -m mlflow.server.auth db upgrade --url "$HICO_TRACKING_DATABASE"
