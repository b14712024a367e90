"""Browse searches, trials, checkpoints and models in MLflow's pages.

The printed addresses hold a token: anyone who has one can see and change what is in the store; nobody else can.
With a tracking server (--tracking http://...) its pages are there already; their addresses are printed.

examples:
  hico-platform ui --port 5000
  hico-platform ui --read-only
  hico-platform ui --optuna --port 5001       optuna-dashboard: importance, slices, level weights of each trial
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import shutil
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.cli.access_token import access_token
from hico_platform.cli.listening import Listener, listen
from hico_platform.cli.store_options import add_store_options, home_paths
from hico_platform.cli.terminal import plain_line
from hico_platform.errors import HicoError, Problem, UsageError
from hico_platform.home_access import follow_home
from hico_platform.masking import without_credentials

if TYPE_CHECKING:
    from hico_platform.home import HomePaths
    from hico_platform.search.ledger.storage import Storage
    from hico_platform.tracking.mlflow_app import AccessPolicy
    from hico_platform.tracking.mlflow_pages import Tls
    from hico_platform.tracking.mlflow_tracker import Experiment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--host", default="127.0.0.1",
        help="address to listen on; another than this machine's own asks for TLS or --insecure (default: 127.0.0.1)",
    )  # fmt: skip
    parser.add_argument("--port", type=int, default=5000, help="port to listen on (default: 5000)")
    parser.add_argument("--read-only", action="store_true", help="refuse what would change the store")
    parser.add_argument(
        "--optuna", action="store_true",
        help="serve optuna-dashboard on the study database in place of MLflow's pages (needs the extra dashboard)",
    )  # fmt: skip
    parser.add_argument(
        "--token-file", metavar="FILE", type=Path,
        help="keep the token in FILE (mode 0600, made if missing) and use it each time (default: a new one each time)",
    )  # fmt: skip
    parser.add_argument("--tls-cert", metavar="FILE", type=Path, help="serve https with this certificate (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", type=Path, help="the key of that certificate (PEM)")
    parser.add_argument(
        "--insecure", action="store_true", help="serve other machines without TLS: the network can read token and data"
    )
    add_store_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints the addresses, and serves MLflow's pages."""
    from hico_platform.home import is_served
    from hico_platform.sqlite_files import check_database, sqlite_file
    from hico_platform.tracking.mlflow_pages import copy_if_read_only

    paths = home_paths(arguments)
    if arguments.optuna:
        return _serve_optuna(arguments, paths)
    if paths.tracking is None and not (paths.home / "mlflow.db").exists():
        raise UsageError(
            Problem(
                file=paths.home,
                rule="a home with something to browse",
                remedy="run a search first, or give another by --home",
            )
        )
    if is_served(paths.tracking_uri):
        _show(without_credentials(paths.tracking_uri), _experiments(paths.tracking_uri), token=None)
        return 0
    follow_home(paths.home)
    tls = _tls(arguments)
    listener = listen(arguments.host, arguments.port)
    with listener.socket:
        _check_reach(listener, arguments, tls)
        file = sqlite_file(paths.tracking_uri)
        if file is not None:
            check_database(file, rule="a tracking database", writing=False)
        uri = copy_if_read_only(paths.tracking_uri)
        if uri == paths.tracking_uri:
            return _serve(uri, arguments, listener, tls, paths)
        print(
            f"{paths.home} can only be read: this shows what is there now, and changes made in the pages are not kept"
        )
        copy = sqlite_file(uri)
        try:
            return _serve(uri, arguments, listener, tls, paths)
        finally:
            if copy is not None:
                shutil.rmtree(copy.parent, ignore_errors=True)


def _serve_optuna(arguments: argparse.Namespace, paths: HomePaths) -> int:
    """Prints the address, and serves optuna-dashboard."""
    from hico_platform.search.ledger.dashboard import dashboard_app, note_studies, searches
    from hico_platform.search.ledger.storage import open_storage
    from hico_platform.tracking.mlflow_pages import serve_optuna

    storage = open_storage(paths.storage_url, create=False)
    names = searches(storage)
    app = dashboard_app(storage)
    if not arguments.read_only:
        note_studies(storage, {name: _study_note(name) for name in names})
        _note_trials(storage, names, paths)
    tls = _tls(arguments)
    listener = listen(arguments.host, arguments.port)
    with listener.socket:
        _check_reach(listener, arguments, tls)
        policy = _policy(arguments, listener, tls)
        print(f"{'optuna-dashboard':<24} {policy.scheme}://{listener.address}:{arguments.port}/?token={policy.token}")
        print("the pages are there in a few seconds; Ctrl-C ends them", flush=True)
        serve_optuna(app, policy, listening=listener.socket, tls=tls)
    return 0


def _note_trials(storage: Storage, names: Sequence[str], paths: HomePaths) -> None:
    """Notes of the best and the failed trials; a search that this version cannot read has none."""
    from hico_platform.commands.dashboard_notes import trial_notes
    from hico_platform.search.ledger.dashboard import note_trials
    from hico_platform.search.status import search_status

    for name in names:
        with contextlib.suppress(HicoError):
            note_trials(storage, name, trial_notes(search_status(paths, name)))


def _study_note(name: str) -> str:
    quoted = shlex.quote(name)
    return (
        f"The search {name}. Level weights are user attributes of each trial, by name; its parameters `...share` are "
        "what the sampler draws.\n\n"
        f"- `hico-platform status {quoted}` shows how far it is\n"
        f"- `hico-platform report {quoted}` makes the report\n"
        f"- `hico-platform retrain {quoted}` trains the best again and scores it on the test split"
    )


def _policy(arguments: argparse.Namespace, listener: Listener, tls: Tls | None) -> AccessPolicy:
    from hico_platform.tracking.mlflow_app import AccessPolicy

    return AccessPolicy(
        names=listener.names,
        port=arguments.port,
        token=access_token(arguments.token_file),
        secure=tls is not None,
        read_only=arguments.read_only,
    )


def _serve(uri: str, arguments: argparse.Namespace, listener: Listener, tls: Tls | None, paths: HomePaths) -> int:
    from hico_platform.sqlite_files import url_for_looking
    from hico_platform.tracking.mlflow_pages import serve

    uri = url_for_looking(uri)  # on a full disk the store is opened read-only
    experiments = _experiments(uri)
    policy = _policy(arguments, listener, tls)
    _show(f"{policy.scheme}://{listener.address}:{arguments.port}", experiments, token=policy.token)
    print("the pages are there in a few seconds; Ctrl-C ends them", flush=True)
    serve(policy, uri=uri, artifacts=paths.artifacts, listening=listener.socket, tls=tls)
    return 0


def _experiments(uri: str) -> dict[str, Experiment]:
    """Each search's experiment, by name."""
    from hico_platform.tracking.base import TrackingError, TrackingRefused
    from hico_platform.tracking.check import away, refused
    from hico_platform.tracking.mlflow_tracker import MlflowTracker

    tracker = MlflowTracker(uri=uri, artifacts=None)
    try:
        return dict(tracker.experiments())
    except TrackingRefused as refusal:
        raise refused(tracker, refusal, rule="a tracking store that can be read") from refusal
    except TrackingError as error:
        raise away(tracker, error) from error


def _show(base: str, experiments: dict[str, Experiment], *, token: str | None) -> None:
    from hico_platform.tracking.mlflow_pages import page_addresses

    for name, address in page_addresses(base, experiments, token=token).items():
        print(f"{plain_line(name):<24} {address}")


def _tls(arguments: argparse.Namespace) -> Tls | None:
    from hico_platform.tracking.mlflow_pages import Tls

    certificate, key = arguments.tls_cert, arguments.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        missing = "--tls-cert" if certificate is None else "--tls-key"
        raise UsageError(Problem(field=missing, rule="a certificate and its key", remedy="give both files"))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise UsageError(
            Problem(
                field="--tls-cert",
                rule="a certificate and its key, as PEM files without a password",
                value=f"{certificate} and {key} ({getattr(error, 'strerror', None) or error})",
                remedy="give others",
            )
        ) from error
    return Tls(certificate=certificate, key=key)


def _check_reach(listener: Listener, arguments: argparse.Namespace, tls: Tls | None) -> None:
    """Raises an error, or warns, if other machines can connect."""
    if listener.is_local:
        return
    if tls is None and not arguments.insecure:
        raise UsageError(
            Problem(
                field="--host",
                rule="an address of this machine alone, or TLS",
                value=arguments.host,
                remedy=(
                    "give --tls-cert and --tls-key, or leave out --host and forward the port: "
                    f"ssh -L {arguments.port}:127.0.0.1:{arguments.port} THIS_MACHINE, or give --insecure"
                ),
            )
        )
    readable = "" if tls is not None else "; the network can read the token and all that is shown"
    print(
        f"other machines can connect here: who has a printed address can do what you can do in the pages{readable}",
        file=sys.stderr,
    )
