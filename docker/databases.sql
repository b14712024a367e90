-- Run once, by the superuser, on an empty server: a database and a role for the study, and the same for MLflow.
-- Neither role is a superuser, and neither can open the other's database. SECRETS is the folder with the secrets.
\set ON_ERROR_STOP on
\set hico_password `sed -n 's/^password=//p' "$SECRETS/hico_database"`
\set mlflow_password `sed -n 's/^password=//p' "$SECRETS/mlflow_database"`
CREATE ROLE hico LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'hico_password';
CREATE ROLE mlflow LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'mlflow_password';
CREATE DATABASE hico OWNER hico;
CREATE DATABASE mlflow OWNER mlflow;
REVOKE ALL ON DATABASE hico, mlflow, postgres, template1 FROM PUBLIC;
