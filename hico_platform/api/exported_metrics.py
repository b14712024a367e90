"""The metrics of a search that a script runs, served to Prometheus on this machine."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hico_platform.errors import Problem, UsageError
from hico_platform.home import HomePaths

if TYPE_CHECKING:
    from hico_platform.monitoring.search_metrics import SearchMetrics

_HOST = "127.0.0.1"


@contextlib.contextmanager
def exported_metrics(port: int | None, *, name: str, paths: HomePaths) -> Iterator[SearchMetrics | None]:
    """Serves the metrics of the search ``name`` while the block runs, as ``search --metrics-port`` does.

    Args:
        port: of this machine's own address; 0 takes a free one, None serves nothing.
        name: the search's name.
        paths: the home's; a file there says where they are served.

    Raises:
        UsageError: the port cannot be listened on.
    """
    if port is None:
        yield None
        return
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(contextlib.closing(_listening(port)))
        from hico_platform.monitoring.discovery import discoverable
        from hico_platform.monitoring.endpoint import MetricsEndpoint
        from hico_platform.monitoring.search_metrics import SearchMetrics

        metrics = SearchMetrics(name, home=paths.home)
        stack.callback(metrics.close)
        endpoint = MetricsEndpoint(metrics.registry, listening=listening, names={_HOST, "localhost"})
        stack.callback(endpoint.close)
        target = f"{_HOST}:{listening.getsockname()[1]}"
        stack.enter_context(discoverable(paths.metrics(name), target=target, scheme="http"))
        yield metrics
        endpoint.linger()  # not after an error or an interruption


def _listening(port: int) -> socket.socket:
    remedy = "give another, or 0 for a free one"
    if not 0 <= port <= 65535:
        raise UsageError(Problem(field="metrics_port", rule="a port from 0 to 65535", value=port, remedy=remedy))
    opened = socket.socket()
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((_HOST, port))
        opened.listen(128)
        return opened
    except OSError as error:
        opened.close()
        rule = "a port that can be listened on"
        value = f"{port} ({error.strerror})"
        raise UsageError(Problem(field="metrics_port", rule=rule, value=value, remedy=remedy)) from error
