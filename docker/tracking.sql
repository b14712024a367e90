-- MLflow's tables lie beside the study database, in one of their own.
CREATE DATABASE mlflow;
