"""The options by which a search gives its metrics to Prometheus."""

from __future__ import annotations

import argparse
import contextlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.cli.access_token import access_token
from hico_platform.cli.listening import Listener, listen
from hico_platform.errors import Problem, UsageError

if TYPE_CHECKING:
    from hico_platform.home import HomePaths
    from hico_platform.monitoring.search_metrics import SearchMetrics
    from hico_platform.monitoring.textfile import MetricsFile

_HOST = "127.0.0.1"
_OF_THE_ENDPOINT = ("metrics_host", "metrics_token_file", "metrics_tls_cert", "metrics_tls_key")


def add_metrics_options(parser: argparse.ArgumentParser) -> None:
    """Adds them, as a group of the help."""
    group = parser.add_argument_group("metrics, for Prometheus")
    group.add_argument(
        "--metrics-port", type=int, metavar="N", help="serve the search's metrics on this port; 0 takes a free one"
    )
    group.add_argument(
        "--metrics-file", type=Path, metavar="FILE",
        help="write them to FILE.prom every 15 seconds, for node_exporter's textfile collector",
    )  # fmt: skip
    group.add_argument(
        "--metrics-host", metavar="HOST",
        help=f"address to listen on; another than this machine's own asks for a token and TLS (default: {_HOST})",
    )  # fmt: skip
    group.add_argument(
        "--metrics-token-file", type=Path, metavar="FILE",
        help="ask scrapers for the token in FILE (mode 0600, made if missing)",
    )  # fmt: skip
    group.add_argument("--metrics-tls-cert", type=Path, metavar="FILE", help="serve https with this certificate (PEM)")
    group.add_argument("--metrics-tls-key", type=Path, metavar="FILE", help="the key of that certificate (PEM)")
    group.add_argument(
        "--metrics-insecure", action="store_true", help="serve other machines without TLS: the network reads the token"
    )


def check_metrics_options(arguments: argparse.Namespace) -> None:
    """Checks what can be checked before anything is begun.

    Raises:
        UsageError: options that do not go together, or a file that node_exporter would not read.
    """
    port, file = arguments.metrics_port, arguments.metrics_file
    if port is not None and not 0 <= port <= 65535:
        raise UsageError(Problem(field="--metrics-port", rule="a port from 0 to 65535", value=port, remedy="give one"))
    for name in _OF_THE_ENDPOINT:
        if port is None and getattr(arguments, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(Problem(field=option, rule="a port to serve them on", remedy="add --metrics-port 0"))
    if file is not None and file.suffix != ".prom":
        raise UsageError(
            Problem(
                field="--metrics-file",
                rule="a name that ends with .prom, which is what node_exporter reads",
                value=str(file),
                remedy=f"give {file.with_suffix('.prom')}",
            )
        )
    if file is not None and not file.absolute().parent.is_dir():
        raise UsageError(
            Problem(
                field="--metrics-file",
                rule="a file in a folder that exists",
                value=str(file),
                remedy="give one in the folder that node_exporter's --collector.textfile.directory names",
            )
        )


@contextlib.contextmanager
def exported_metrics(
    arguments: argparse.Namespace, *, name: str, paths: HomePaths, say: Callable[[str], None]
) -> Iterator[SearchMetrics | None]:
    """The metrics of a search, served and written as the options say while the block runs; None without options.

    After the block the last state is still there for a scraper that comes regularly, for one more of its scrapes.

    Raises:
        UsageError: the port cannot be listened on, or other machines could read what they should not.
    """
    if arguments.metrics_port is None and arguments.metrics_file is None:
        yield None
        return
    with contextlib.ExitStack() as stack:
        listener = None
        if arguments.metrics_port is not None:
            listener = listen(
                arguments.metrics_host or _HOST,
                arguments.metrics_port,
                options=("--metrics-host", "--metrics-port"),
                any_port=True,
            )
            stack.callback(listener.socket.close)
            token, certificate = _access(arguments, listener)
        # prometheus-client takes a moment to import
        from hico_platform.monitoring.discovery import discoverable
        from hico_platform.monitoring.endpoint import PATH, MetricsEndpoint
        from hico_platform.monitoring.search_metrics import SearchMetrics

        metrics = SearchMetrics(name, home=paths.home)
        stack.callback(metrics.close)
        endpoint = None
        if listener is not None:
            endpoint = MetricsEndpoint(
                metrics.registry, listening=listener.socket, names=listener.names, token=token, certificate=certificate
            )
            stack.callback(endpoint.close)
            port = listener.socket.getsockname()[1]
            scheme = "http" if certificate is None else "https"
            say(f"metrics: {scheme}://{listener.address}:{port}{PATH}")
            stack.enter_context(discoverable(paths.metrics(name), target=f"{listener.address}:{port}", scheme=scheme))
        if arguments.metrics_file is not None:
            stack.callback(_file(metrics, arguments.metrics_file).close)
        yield metrics
        if endpoint is not None:  # not after an error or an interruption
            endpoint.linger()


def _file(metrics: SearchMetrics, file: Path) -> MetricsFile:
    from hico_platform.monitoring.textfile import MetricsFile

    try:
        return MetricsFile(metrics.registry, file)
    except OSError as error:
        raise UsageError(
            Problem(
                field="--metrics-file",
                rule="a file that can be written",
                value=f"{file} ({error.strerror})",
                remedy="give one in a folder that this user may write to",
            )
        ) from error


def _access(arguments: argparse.Namespace, listener: Listener) -> tuple[str | None, tuple[Path, Path] | None]:
    """The token that scrapers have to send, and the certificate."""
    certificate, key = arguments.metrics_tls_cert, arguments.metrics_tls_key
    if (certificate is None) != (key is None):
        missing = "--metrics-tls-cert" if certificate is None else "--metrics-tls-key"
        raise UsageError(Problem(field=missing, rule="a certificate and its key", remedy="give both files"))
    if certificate is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
        except (OSError, ValueError) as error:
            raise UsageError(
                Problem(
                    field="--metrics-tls-cert",
                    rule="a certificate and its key, as PEM files without a password",
                    value=f"{certificate} and {key} ({getattr(error, 'strerror', None) or error})",
                    remedy="give others",
                )
            ) from error
    if not listener.is_local and certificate is None and not arguments.metrics_insecure:
        raise UsageError(
            Problem(
                field="--metrics-host",
                rule="an address of this machine alone, or TLS",
                value=arguments.metrics_host,
                remedy="give --metrics-tls-cert and --metrics-tls-key, or --metrics-insecure",
            )
        )
    if not listener.is_local and arguments.metrics_token_file is None:
        raise UsageError(
            Problem(
                field="--metrics-host",
                rule="a token, which other machines have to send",
                value=arguments.metrics_host,
                remedy="add --metrics-token-file FILE, and give Prometheus the same file (credentials_file)",
            )
        )
    token = None
    if arguments.metrics_token_file is not None:
        token = access_token(arguments.metrics_token_file, option="--metrics-token-file")
    return token, None if certificate is None else (certificate, key)
