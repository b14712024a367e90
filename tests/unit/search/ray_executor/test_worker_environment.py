from __future__ import annotations

import os
from typing import Any

import pytest
from ray import cloudpickle
from ray.runtime_env import RuntimeEnv

from hico_platform.errors import UsageError
from hico_platform.search.ray_executor import cluster
from hico_platform.search.ray_executor.worker_environment import private_runtime_env

SECRET = "planted-s3cr3t"
called: list[str | None] = []


def note_call() -> None:
    called.append(os.environ.get("API_KEY"))


def test_ray_is_given_no_value_of_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_PART", "part")
    given = {"env_vars": {"API_KEY": SECRET, "PLAIN": "${HOST_PART}/x", "OMP_NUM_THREADS": "1"}, "pip": ["tqdm"]}
    env = cluster._checked(given)
    hook = env.pop("worker_process_setup_hook")
    assert env["env_vars"] == {"OMP_NUM_THREADS": "1"}
    assert "tqdm" in str(env["pip"])
    assert SECRET not in str(env) + hook.__name__
    for name in ("API_KEY", "PLAIN"):
        monkeypatch.delenv(name, raising=False)
    cloudpickle.loads(cloudpickle.dumps(hook))()
    assert (os.environ["API_KEY"], os.environ["PLAIN"]) == (SECRET, "part/x")


def test_the_users_own_hook_is_called_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("API_KEY", raising=False)
    own = f"{__name__}.note_call"
    private_runtime_env({"env_vars": {"API_KEY": SECRET}, "worker_process_setup_hook": own})[
        "worker_process_setup_hook"
    ]()
    assert called == [SECRET]
    assert private_runtime_env({"worker_process_setup_hook": own}) == {"worker_process_setup_hook": own}


@pytest.mark.parametrize(
    ("env", "field"),
    [
        ({"pip": ["--extra-index-url=https://me:planted-s3cr3t@index.lab/simple"]}, "pip"),
        ({"pip": {"packages": ["git+https://planted-s3cr3t@host/repo"]}}, "pip.packages"),
        ({"py_modules": ["s3://KEY:planted-s3cr3t@bucket/code.zip"]}, "py_modules"),
        ({"working_dir": "https://host/code.zip?token=planted-s3cr3t"}, "working_dir"),
        ({"env_vars": {"PIP_INDEX_URL": "https://me:planted-s3cr3t@index.lab"}}, "env_vars.PIP_INDEX_URL"),
        ({"env_vars": {"RAY_AUTH_TOKEN": "planted-s3cr3t"}}, "env_vars.RAY_AUTH_TOKEN"),
        ({"working_dir": "s3://KEY:a/planted-s3cr3t@bucket/code.zip"}, "working_dir"),
        ({"pip": ["https://me:a/planted-s3cr3t@host/x.whl"]}, "pip"),
        ({"pip": ["git+https://me:a/planted-s3cr3t@host/repo@v1"]}, "pip"),
        ({"env_vars": {"PIP_INDEX_URL": "https://me:a/planted-s3cr3t@host/"}}, "env_vars.PIP_INDEX_URL"),
        ({"env_vars": {"PIP_PROXY": "me:planted-s3cr3t@host:3128"}}, "env_vars.PIP_PROXY"),
        ({"env_vars": {"RAY_X": "token=planted-s3cr3t"}}, "env_vars.RAY_X"),
        ({"mpi": {"args": "-x TOKEN=planted-s3cr3t"}}, "mpi.args"),
        ({"mpi": {"args": ["--password", "planted-s3cr3t"]}}, "mpi.args"),
        ({"pip": {"pip_install_options": ["TOKEN=planted-s3cr3t"]}}, "pip.pip_install_options"),
        ({"container": {"run_options": ["--env", "PASSWORD=planted-s3cr3t"]}}, "container.run_options"),
        ({"container": {"password": "planted-s3cr3t"}}, "container.password"),
    ],
)
def test_a_secret_that_ray_would_log_is_refused(env: dict[str, Any], field: str) -> None:
    with pytest.raises(UsageError, match=rf"--runtime-env: {field}: expected no password") as refused:
        private_runtime_env(env)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "env",
    [
        {
            "pip": [
                "--index-url https://me:${TOKEN}@host",
                "git+https://host:8443/repo@v1",
                "torch==2.13.0 --hash=sha256:abc",
                "tokenizers==0.22.1",
                "pkg @ https://host/x@1.0",
                "pkg @ ssh://git@host/x",
            ]
        },
        {"conda": {"dependencies": ["tokenizers=0.22.1", {"pip": ["tiktoken>=0.5"]}]}},
        {"env_vars": {"RAY_AUTH_TOKEN_PATH": "/home/me/token", "RAY_AUTH_MODE": "token", "RAY_ENABLE_TOKEN_AUTH": "1"}},
        {"py_modules": ["/home/me/a@b:c", "s3://bucket/code.zip"], "env_vars": {"PYTHONPATH": "/home/me"}},
    ],
)
def test_what_is_no_secret_stays_with_ray(env: dict[str, Any]) -> None:
    assert private_runtime_env(env) == env


@pytest.mark.parametrize(
    "variables",
    [["API_KEY=planted-s3cr3t"], {"API_KEY": 12345678}, {"API=KEY": "x"}, {"": "x"}, {"API_KEY": "planted-s3cr3t\0"}],
)
def test_a_problem_names_the_variable_and_no_value(variables: Any) -> None:
    with pytest.raises(UsageError, match="--runtime-env: env_vars") as refused:
        private_runtime_env({"env_vars": variables})
    assert not any(value in str(refused.value) for value in (SECRET, "12345678"))


def test_ray_takes_a_hook_beside_what_it_prepares() -> None:
    assert RuntimeEnv(**private_runtime_env({"env_vars": {"A": "b"}, "config": {"setup_timeout_seconds": 9}}))
