"""Which of MLflow's routes ``ui`` serves: those of the tracking pages and of the tracking and registry clients.

MLflow's server also mounts an assistant that runs commands, a gateway to language models, jobs, a proxy that writes
files, and more. A route that is not listed here is refused, so new routes of a newer MLflow are closed until listed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

_READS = """
GET  /
GET  /static-files/{path}
GET  /health
GET  /version
GET  /get-artifact
GET  /model-versions/get-artifact
GET  /graphql
POST /graphql
GET  {api}/3.0/mlflow/server-info
GET  {api}/3.0/mlflow/ui-telemetry
GET  {api}/2.0/mlflow/artifacts/list
GET  {api}/2.0/mlflow/experiments/get
GET  {api}/2.0/mlflow/experiments/get-by-name
GET  {api}/2.0/mlflow/experiments/search
POST {api}/2.0/mlflow/experiments/search
POST {api}/2.0/mlflow/experiments/search-datasets
GET  {api}/2.0/mlflow/metrics/get-history
GET  {api}/2.0/mlflow/metrics/get-history-bulk
GET  {api}/2.0/mlflow/metrics/get-history-bulk-interval
GET  {api}/2.0/mlflow/runs/get
POST {api}/2.0/mlflow/runs/search
GET  {api}/2.0/mlflow/logged-models/{name}
GET  {api}/2.0/mlflow/logged-models/{name}/artifacts/directories
GET  {api}/2.0/mlflow/logged-models/{name}/artifacts/files
POST {api}/2.0/mlflow/logged-models/search
GET  {api}/2.0/mlflow/model-versions/get
GET  {api}/2.0/mlflow/model-versions/get-download-uri
GET  {api}/2.0/mlflow/model-versions/search
GET  {api}/2.0/mlflow/registered-models/alias
GET  {api}/2.0/mlflow/registered-models/get
GET  {api}/2.0/mlflow/registered-models/get-latest-versions
POST {api}/2.0/mlflow/registered-models/get-latest-versions
GET  {api}/2.0/mlflow/registered-models/search
GET  {api}/2.0/mlflow/get-trace-artifact
GET  {api}/3.0/mlflow/get-trace-artifact
GET  {api}/3.0/mlflow/traces/{name}
GET  {api}/3.0/mlflow/traces/{name}/assessments/{name}
POST {api}/3.0/mlflow/traces/batchGetInfos
POST {api}/3.0/mlflow/traces/calculate-filter-correlation
POST {api}/3.0/mlflow/traces/metrics
POST {api}/3.0/mlflow/traces/search
"""
"""Requests that change nothing, searches by POST among them (MLflow's GraphQL has no operation that writes)."""

_WRITES = """
POST   {api}/2.0/mlflow/experiments/create
POST   {api}/2.0/mlflow/experiments/delete
POST   {api}/2.0/mlflow/experiments/delete-experiment-tag
POST   {api}/2.0/mlflow/experiments/restore
POST   {api}/2.0/mlflow/experiments/set-experiment-tag
POST   {api}/2.0/mlflow/experiments/update
POST   {api}/2.0/mlflow/runs/create
POST   {api}/2.0/mlflow/runs/delete
POST   {api}/2.0/mlflow/runs/delete-tag
POST   {api}/2.0/mlflow/runs/log-batch
POST   {api}/2.0/mlflow/runs/log-inputs
POST   {api}/2.0/mlflow/runs/log-metric
POST   {api}/2.0/mlflow/runs/log-model
POST   {api}/2.0/mlflow/runs/log-parameter
POST   {api}/2.0/mlflow/runs/outputs
POST   {api}/2.0/mlflow/runs/restore
POST   {api}/2.0/mlflow/runs/set-tag
POST   {api}/2.0/mlflow/runs/update
POST   {api}/2.0/mlflow/logged-models
PATCH  {api}/2.0/mlflow/logged-models/{name}
DELETE {api}/2.0/mlflow/logged-models/{name}
POST   {api}/2.0/mlflow/logged-models/{name}/params
PATCH  {api}/2.0/mlflow/logged-models/{name}/tags
DELETE {api}/2.0/mlflow/logged-models/{name}/tags/{name}
POST   {api}/2.0/mlflow/model-versions/create
DELETE {api}/2.0/mlflow/model-versions/delete
DELETE {api}/2.0/mlflow/model-versions/delete-tag
POST   {api}/2.0/mlflow/model-versions/set-tag
POST   {api}/2.0/mlflow/model-versions/transition-stage
PATCH  {api}/2.0/mlflow/model-versions/update
POST   {api}/2.0/mlflow/registered-models/alias
DELETE {api}/2.0/mlflow/registered-models/alias
POST   {api}/2.0/mlflow/registered-models/create
DELETE {api}/2.0/mlflow/registered-models/delete
DELETE {api}/2.0/mlflow/registered-models/delete-tag
POST   {api}/2.0/mlflow/registered-models/rename
POST   {api}/2.0/mlflow/registered-models/set-tag
PATCH  {api}/2.0/mlflow/registered-models/update
"""
"""Changes from the pages and from REST clients: they write records to the store, never files."""

_REFUSED = (
    r"{api}/3\.0/mlflow/assistant(/.*)?",  # runs commands and reads and writes files
    r"/gateway/.*|{api}/3\.0/mlflow/gateway/.*|{api}/2\.0/mlflow/gateway-proxy",  # language models, and their keys
    r"{api}/3\.0/(mlflow/)?jobs/.*|{api}/3\.0/mlflow/prompt-optimization/.*",  # functions by name, in new processes
    r"{api}/3\.0/mlflow/mcp-servers(/.*)?",
    r"/v1/traces",  # OpenTelemetry's ingestion
    r"{api}/2\.0/mlflow-artifacts/.*",  # reads, writes and deletes files under the current folder
    r"{api}/2\.0/mlflow/upload-artifact|{api}/2\.0/mlflow/artifacts/presigned-(down|up)load-url",  # files, too
    r"{api}/2\.0/mlflow/webhooks(/.*)?",  # requests that the server makes
    r"{api}/3\.0/mlflow/(scorers?|genai|demo|issues|review-queues|label-schemas)(/.*)?",  # some run code that is sent
    r"{api}/2\.0/mlflow/runs/create-promptlab-run",
    r"{api}/3\.0/mlflow/datasets/.*",  # evaluation sets of language models; runs' datasets are served
    r"{api}/2\.0/mlflow/traces(/.*)?|{api}/[23]\.0/mlflow/(get-online-trace-details|unified-traces)",
    r"{api}/3\.0/mlflow/traces(/(delete-traces|batchGet|get|link-to-run|link-prompts|[^/]+/(assessments|tags)(/.*)?))?",
    r"{api}/3\.0/mlflow/workspaces(/.*)?",
    r"{api}/3\.0/mlflow/ui-telemetry",  # sends usage data to others
    r"/build/.*",  # another path of static-files
    r"{api}/2\.0mlflow/experiments/search-datasets",  # a typing error in MLflow; nothing answers it
)
"""MLflow's other routes; a test fails for a route that is in none of these lists."""

_ENCODED = re.compile("%[0-9a-fA-F]{2}")


class Access(Enum):
    """Kind of a request, by its method and path."""

    READ = "read"
    WRITE = "write"
    REFUSED = "refused"
    WRONG_METHOD = "wrong method"
    UNKNOWN = "unknown"


class Routes:
    """Which requests an app gets: a list of those that read, a list of those that write, and what is refused by name.

    A line of a list is a method and a path, in which ``{name}`` stands for one part and ``{path}`` for any number.
    """

    def __init__(self, *, reads: str, writes: str, refused: Sequence[str] = ()) -> None:
        self._served = _listed(reads, Access.READ) + _listed(writes, Access.WRITE)
        self._closed = [re.compile(pattern.replace("{api}", "(?:/api|/ajax-api)")) for pattern in refused]

    def access_of(self, method: str, path: str) -> Access:
        """The kind of a request, by exactly the path that the app would route on.

        Args:
            method: GET, POST ...; HEAD counts as GET.
            path: decoded, without the query, as in an ASGI scope.
        """
        if not _is_plain(path):
            return Access.UNKNOWN
        method = "GET" if method == "HEAD" else method
        matching = [(by, access) for by, pattern, access in self._served if pattern.fullmatch(path)]
        for by, access in matching:
            if by == method:
                return access
        if any(pattern.fullmatch(path) for pattern in self._closed):
            return Access.REFUSED
        return Access.WRONG_METHOD if matching else Access.UNKNOWN


def _is_plain(path: str) -> bool:
    """Whether every router reads a path in the same way, even if it decodes it once more.

    Such a path has no empty or dotted part, no backslash, no control character, and no percent-encoding left.
    """
    parts = path.split("/")
    return (
        path.startswith("/")
        and path.isprintable()
        and "\\" not in path
        and not _ENCODED.search(path)
        and not any(part in {".", ".."} for part in parts)
        and "" not in parts[1:-1]
    )


def _pattern(template: str) -> re.Pattern[str]:
    """A path of the lists above as a pattern; a part in braces matches anything."""
    named = {"{api}": "(?:/api|/ajax-api)", "{name}": "[^/]+", "{path}": ".+"}
    pieces = re.split(r"(\{[a-z]+\})", template)
    return re.compile("".join(named.get(piece, re.escape(piece)) for piece in pieces))


def _listed(text: str, access: Access) -> list[tuple[str, re.Pattern[str], Access]]:
    lines = [line.split() for line in text.strip().splitlines()]
    return [(method, _pattern(template), access) for method, template in lines]


MLFLOW = Routes(reads=_READS, writes=_WRITES, refused=_REFUSED)
"""The routes of MLflow."""

access_of = MLFLOW.access_of
