"""Which of optuna-dashboard's routes ``ui --optuna`` serves.

A study is the record of a search, so nothing that trials, reports or decisions are in may be changed: of what writes,
only notes are served. Uploads, and what calls a language model or upgrades the database, are closed.
"""

from __future__ import annotations

from hico_platform.tracking.mlflow_routes import Routes

OPTUNA = Routes(
    reads="""
GET  /
GET  /dashboard
GET  /dashboard/
GET  /dashboard/{path}
GET  /favicon.ico
GET  /static/{path}
GET  /csv/{name}
GET  /api/meta
GET  /api/studies
GET  /api/studies/{name}
GET  /api/studies/{name}/param_importances
GET  /api/studies/{name}/plot/{name}
""",
    writes="""
PUT  /api/studies/{name}/note
PUT  /api/studies/{name}/{name}/note
""",
    refused=(
        r"/api/studies/.*",  # creating, renaming and deleting studies, preferences, skipping trials
        r"/api/trials/.*",  # telling trials and changing their attributes
        r"/(api/)?artifacts/.*|/api/llm/.*|/incompatible-rdb-schema|/sql-profiler",
    ),
)
