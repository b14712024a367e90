"""The page of environment variables; a test compares it with what the code reads."""

from __future__ import annotations

from docs.generate.markdown import code, escaped, table
from hico_platform.cli.topics import ENVIRONMENT

VARIABLES: dict[str, tuple[tuple[str, str], ...]] = {
    "Where things are": (
        ("HICO_HOME", "the home folder, where `--home` is not given; without either `~/.hico`"),
        (
            "HICO_STORAGE",
            "the study's database, where `--storage` is not given: the place for an address with a password",
        ),
        ("MLFLOW_TRACKING_URI", "the tracking store, where `--tracking` is not given"),
        ("TMPDIR", "where Ray's session folder is created, if the path is short enough for sockets"),
        ("XDG_RUNTIME_DIR", "where it is created otherwise, if `/tmp` cannot be used"),
        ("XDG_CACHE_HOME", "where compiled kernels are kept (default `~/.cache`)"),
        ("TRITON_CACHE_DIR", "where kernels of a GPU are kept (default `~/.triton/cache`)"),
        ("TRITON_HOME", "where Triton keeps everything, its cache too"),
    ),
    "What is shown": (
        ("HICO_TRACEBACK", "`1`: errors come with where they came from, as with `--traceback`"),
        ("COLUMNS", "the width of the terminal, where it is not known"),
        ("NO_COLOR", "set to anything: no colour; `FORCE_COLOR`: colour in a pipe too"),
        ("TERM", "`dumb`: lines in place of tables and bars that change in place"),
        ("PAGER", "the program that shows long texts on a terminal"),
    ),
    "How training computes": (
        ("HICO_KERNELS", "`off` (or `0`, `no`): PyTorch's own operators in place of this project's kernels"),
        ("HICO_CUDA_GRAPHS", "`off`: steps on a GPU are not recorded as CUDA graphs"),
        ("CC", "the C compiler for the CPU's kernels (default: what is found of `cc`, `gcc`, `clang`)"),
        ("OMP_NUM_THREADS", "CPU threads of one process; a trial sets its own by `resources.cpus`"),
    ),
    "Secrets": (
        ("MLFLOW_TRACKING_USERNAME", "account of a tracking server"),
        ("MLFLOW_TRACKING_PASSWORD", "its password"),
        ("MLFLOW_TRACKING_TOKEN", "a token instead, such as that of `ui --token-file`"),
        ("PGPASSWORD", "password of a PostgreSQL database whose address has none; `~/.pgpass` does as well"),
        ("AWS_ACCESS_KEY_ID", "keys of a dataset or of artifacts at `s3://`"),
        ("AWS_SECRET_ACCESS_KEY", "the same"),
        ("AWS_SESSION_TOKEN", "the same, of a session"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "a file with the credentials of `gs://`"),
        ("RAY_AUTH_TOKEN", "token of an existing Ray cluster; `RAY_AUTH_TOKEN_PATH` names a file with it"),
    ),
    "Clusters": (
        (
            "RAY_AUTH_MODE",
            "`token` or `disabled`, of an existing cluster (`--address`); a search's own always has a token",
        ),
        ("RAY_ADDRESS", "ignored by a search's own cluster; `--address` names another"),
        ("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "set: workers are started by `uv run` again, as Ray does it"),
    ),
    "Being told": (
        ("HICO_NOTIFY", "an address with a secret, for `--notify env:HICO_NOTIFY`"),
        ("HICO_NOTIFY_KEY", "the key that signs notifications"),
    ),
    "Elsewhere": (
        (
            "HICO_COMMIT",
            "the commit recorded with every number where the code is not in a Git checkout, such as in an image",
        ),
        ("HICO_PREDICT_FOLDER", "where a served model may read files; without it, it reads none"),
    ),
}

NOT_FOR_PEOPLE = frozenset(
    {
        "MLFLOW_DISABLE_TELEMETRY",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
        "MLFLOW_HTTP_REQUEST_TIMEOUT",
        "MLFLOW_SERVER_ALLOWED_HOSTS",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS",
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT",
        "MLFLOW_UV_AUTO_DETECT",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO",
        "RAY_AIR_NEW_OUTPUT",
        "RAY_DISABLE_FAILURE_SIGNAL_HANDLER",
        "RAY_RUNTIME_ENV_HOOK",
        "RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE",
        "RAY_USAGE_STATS_ENABLED",
        "TUNE_FORCE_TRIAL_CLEANUP_S",
    }
)
"""What the code sets for Ray and MLflow by itself."""


def page() -> str:
    """The page."""
    lines = [
        "# Environment variables",
        "",
        "An option of a command always goes before its variable. Passwords and keys belong here and not into",
        "options, since",
        "every account of a machine can see the arguments of a command ([why](../security.md#secrets)).",
        "",
    ]
    known = {name for rows in VARIABLES.values() for name, _ in rows}
    more = tuple((name, escaped(about)) for name, about in ENVIRONMENT.items() if name not in known)
    for title, rows in {**VARIABLES, "More": more}.items():
        if not rows:
            continue
        lines += [f"## {title}", "", table(["variable", "meaning"], [(code(name), about) for name, about in rows])]
    return "\n".join(lines)
