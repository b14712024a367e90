"""Passes environment variables to workers secretly, and refuses secrets elsewhere in a runtime environment.

Ray writes a runtime environment to a log on each machine, to the table of jobs that its dashboard shows, and, for a
moment, to the command line of each worker. So ``env_vars`` does not go there: workers get them from the cluster's
control store, by a setup hook, before they import anything of a trial's. Ray's log shows the hook's key alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hico_platform.errors import Problem, UsageError
from hico_platform.masking import holds_secret

BEFORE_WORKERS = (
    "LD_", "DYLD_", "MALLOC_", "GLIBC_", "PYTHON", "RAY_", "PIP_", "UV_", "CONDA_",
    "OMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_",
)  # fmt: skip
"""Beginnings of names that are read before a worker can be given anything: by the loader, Python, Ray, the installer of
packages, and by numpy, which Ray imports."""
VARIABLES, HOOK = "env_vars", "worker_process_setup_hook"


def private_runtime_env(runtime_env: Mapping[str, Any]) -> dict[str, Any]:
    """The same, with ``env_vars`` carried by a setup hook; those of :data:`BEFORE_WORKERS` stay with Ray.

    Raises:
        UsageError: a variable is invalid, or something that Ray would write to its logs contains a secret.
    """
    variables = _checked_variables(runtime_env.get(VARIABLES))
    early = {name: value for name, value in variables.items() if name.startswith(BEFORE_WORKERS)}
    late = {name: value for name, value in variables.items() if name not in early}
    shown = {name: value for name, value in runtime_env.items() if name != VARIABLES}
    for field, text in (*_texts(shown, ""), *((f"{VARIABLES}.{name}", value) for name, value in early.items())):
        if holds_secret(text, name=field.rpartition(".")[2]):
            raise _refused(
                field,
                "no password, key or token, since Ray writes this to its logs",
                remedy="give it on each machine, where Ray is started: its environment, pip.conf, ~/.netrc, ~/.aws",
            )
    if early:
        shown[VARIABLES] = early
    if late:
        shown[HOOK] = _setup_hook(late, then=runtime_env.get(HOOK))
    return shown


def _setup_hook(variables: Mapping[str, str], *, then: str | None) -> Callable[[], None]:
    """Sets the variables in a worker that has just started, as Ray would, and calls the user's own hook."""
    variables = dict(variables)

    # Travels by value, so it works with what this package is on the other machine; and imports where it runs.
    def set_variables() -> None:
        from ray._common.utils import load_class
        from ray._private.utils import update_envs

        update_envs(variables)
        if then is not None:
            load_class(then)()

    return set_variables


def _checked_variables(variables: Any) -> dict[str, str]:
    """A problem names the variable, never its value."""
    if variables is None:
        return {}
    if not isinstance(variables, Mapping):
        raise _refused(VARIABLES, "a mapping of names to texts", value=type(variables).__name__)
    for name, value in variables.items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise _refused(VARIABLES, "names of variables", value=name)
        if not isinstance(value, str) or "\0" in value:
            raise _refused(
                f"{VARIABLES}.{name}",
                "a text",
                value="one with a NUL character" if isinstance(value, str) else type(value).__name__,
                remedy='write it in quotes: NAME: "value"',
            )
    return dict(variables)


def _texts(value: Any, field: str) -> Iterator[tuple[str, str]]:
    """All texts in a runtime environment, by the fields that they are in."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, f"{field}.{name}" if field else str(name))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner, field)
        # ["--password", "..."] shows what it is only in one line
        yield field, " ".join(inner for inner in value if isinstance(inner, str))


def _refused(field: str, rule: str, *, value: object = None, remedy: str = "give such as NAME: value") -> UsageError:
    return UsageError(Problem(field=f"--runtime-env: {field}", rule=rule, value=value, remedy=remedy))
