"""What gets installed is pinned and hashed, and what only developers need stays out of what runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "requirements"
RUNTIME = ("cpu", "cuda")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def entries(lock: str) -> list[tuple[Requirement, list[str]]]:
    """Each requirement of a lock with its hashes; whatever is neither requirement, hash nor comment is refused."""
    logical = (LOCKS / f"{lock}.lock").read_text().replace("\\\n", " ").splitlines()
    found = []
    for line in logical:
        if not line or line.startswith("#"):
            continue
        hashes = HASH.findall(line)
        found.append((Requirement(HASH.sub("", line).strip()), hashes))
    return found


def names(lock: str) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement, _ in entries(lock)}


def canonical(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


@pytest.mark.parametrize("lock", [*RUNTIME, "dev", "mutants", "tools"])
def test_every_requirement_is_pinned_and_has_hashes(lock: str) -> None:
    locked = entries(lock)
    assert locked
    for requirement, hashes in locked:
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], requirement
        assert hashes, requirement
        assert requirement.url is None, requirement


@pytest.mark.parametrize("lock", RUNTIME)
def test_what_runs_is_locked_whole(lock: str) -> None:
    extras = [text for texts in project()["project"]["optional-dependencies"].values() for text in texts]
    assert canonical(project()["project"]["dependencies"] + extras) <= names(lock)
    # MLflow's basic-auth needs the one; the package is built with the other, without an isolated environment.
    assert {"flask-wtf", "setuptools"} <= names(lock)
    assert {"aiohttp-cors", "opencensus", "py-spy"} <= names(lock), "Ray's job server, for a RayJob"


@pytest.mark.parametrize("lock", RUNTIME)
def test_what_runs_satisfies_the_project(lock: str) -> None:
    wanted = [Requirement(text) for text in project()["project"]["dependencies"]]
    for requirement in wanted:
        pins = [pin for pin, _ in entries(lock) if canonicalize_name(pin.name) == canonicalize_name(requirement.name)]
        versions = [next(iter(pin.specifier)).version for pin in pins]
        assert versions
        assert all(requirement.specifier.contains(version) for version in versions), requirement


@pytest.mark.parametrize("lock", RUNTIME)
def test_development_packages_are_not_in_what_runs(lock: str) -> None:
    groups = project()["dependency-groups"]
    development = canonical([text for texts in groups.values() for text in texts])
    assert development
    shared = {"triton"} if lock == "cuda" else set()
    assert development & names(lock) == shared, "which torch needs for NVIDIA GPUs"
    assert canonical(groups["dev"]) <= names("dev")
    assert canonical(groups["mutants"]) <= names("mutants")
    assert canonical(groups["tools"]) <= names("tools")


def test_cuda_is_in_its_own_lock_alone() -> None:
    def of_cuda(lock: str) -> set[str]:
        return {name for name in names(lock) if name.startswith(("nvidia-", "cuda-")) or name == "triton"}

    assert {"triton", "nvidia-cublas"} <= of_cuda("cuda")
    assert not of_cuda("cpu")
    linux = [str(pin.specifier) for pin, _ in entries("cpu") if pin.name == "torch" and '== "linux"' in str(pin.marker)]
    assert [version.endswith("+cpu") for version in linux] == [True]


def test_locks_agree_on_what_they_share() -> None:
    """One environment takes cpu.lock or cuda.lock, and dev.lock with it."""
    pins: dict[str, set[str]] = {}
    for lock in (*RUNTIME, "dev", "mutants"):
        for requirement, _ in entries(lock):
            pins.setdefault(requirement.name, set()).add(str(requirement.specifier).split("+")[0])
    assert {name: versions for name, versions in pins.items() if len(versions) > 1} == {}


@pytest.mark.parametrize("lock", [*RUNTIME, "dev", "mutants", "tools"])
def test_locks_name_no_index(lock: str) -> None:
    assert "://" not in (LOCKS / f"{lock}.lock").read_text()


def pip_installs(path: str) -> list[str]:
    text = (ROOT / path).read_text().replace("\\\n", " ")
    for name, words in re.findall(r"^(LOCKED|PIP) := (.*)$", text, flags=re.MULTILINE)[::-1]:
        text = text.replace(f"$({name})", words.replace("-m pip", "pip"))
    return re.findall(r"pip install (.*)", re.sub(r"^(PIP|LOCKED) .*", "", text, flags=re.MULTILINE))


@pytest.mark.parametrize("path", ["Makefile", "docker/Dockerfile"])
def test_locks_are_installed_with_their_hashes(path: str) -> None:
    installs = pip_installs(path)
    assert any(".lock" in words for words in installs)
    for words in installs:
        if ".lock" in words:
            assert "--require-hashes" in words
            assert "--only-binary=:all:" in words  # nothing of a package is run to build it
        else:  # the project itself, built with the locked setuptools
            assert "--no-deps" in words
            assert "--no-build-isolation" in words


def test_the_image_takes_what_runs_alone() -> None:
    locks = re.findall(r"requirements/(\S+)\.lock", (ROOT / "docker" / "Dockerfile").read_text())
    assert locks
    assert not {"dev", "tools"} & set(locks)
    assert "ARG LOCK=cuda" in (ROOT / "docker" / "Dockerfile").read_text()
