"""Tries the wheel and the source distribution of a release, each in environments of their own (`make release`).

    python tests/release.py --dist dist --lock requirements/cpu.lock python3.11 python3.12 python3.13

For every Python that is here: a new environment with the packages of the lock, the artifact without its dependencies
(which must then be complete: ``pip check``), and what a newcomer does with it: help, a dataset, a search of one trial,
its report, the encoder in Python. A Python that is not here is named and left out; with none the check fails.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IN_A_WHEEL = (
    "hico_platform/py.typed",
    "hico_platform/search_spaces/level_weights.yaml",
    "hico_platform/search_spaces/space.schema.json",
    "hico_platform/dashboards/hico_search.json",
    "hico_platform/ops/cpu/",
    "hico_platform/config/table_maps/",
)
NEVER = (".npz", ".pem", ".db", ".env", "tests/")
TINY = (
    "--set",
    "budget.epochs=1",
    "--set",
    "scheduler.grace_epochs=1",
    "--set",
    "base.model.hidden_width=8",
    "--set",
    "base.evaluation.linear_epochs=2",
    "--set",
    "base.budget.batch_size=8",
)


def main() -> int:
    """Tries every artifact under every Python; returns 1 where there is none of either."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dist", type=Path, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("pythons", nargs="+")
    arguments = parser.parse_args()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    wheel = arguments.dist / f"hico_platform-{version}-py3-none-any.whl"
    source = arguments.dist / f"hico_platform-{version}.tar.gz"
    check_content(wheel, source, version=version)
    tried = 0
    for python in arguments.pythons:
        if (
            shutil.which(python) is None
            or subprocess.run([python, "-c", ""], check=False, stderr=subprocess.DEVNULL).returncode
        ):
            print(f"{python}: not on this machine, left out")
            continue
        with tempfile.TemporaryDirectory() as folder:
            try_under(python, [wheel, source], lock=arguments.lock, folder=Path(folder), version=version)
        tried += 1
    return 0 if tried else 1


def check_content(wheel: Path, source: Path, *, version: str) -> None:
    """Whether what belongs in both is there, and nothing else; and whether the changelog knows the version."""
    names = zipfile.ZipFile(wheel).namelist()
    missing = [part for part in IN_A_WHEEL if not any(name.startswith(part) for name in names)]
    strange = [name for name in names if any(word in name for word in NEVER)]
    assert not missing, f"the wheel lacks {missing}"
    assert not strange, f"the wheel has {strange}"
    with tarfile.open(source) as archive:
        inside = archive.getnames()
    assert any(name.endswith("/pyproject.toml") for name in inside), "the source distribution lacks pyproject.toml"
    assert f"## {version} " in (ROOT / "CHANGELOG.md").read_text(), f"CHANGELOG.md has no section of {version}"
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text(), "CITATION.cff has another version"
    print(f"{wheel.name}: {len(names)} files; {source.name}: {len(inside)} files")


def try_under(python: str, artifacts: list[Path], *, lock: Path, folder: Path, version: str) -> None:
    """Installs each artifact under a Python and uses it."""
    run(python, "-m", "venv", folder / "venv")
    own = folder / "venv" / "bin"
    pip = (own / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--require-hashes", "--only-binary=:all:", "-r", lock)
    for artifact in artifacts:
        run(*pip, "--no-deps", "--no-build-isolation", "--force-reinstall", artifact)
        run(own / "python", "-m", "pip", "check", "--disable-pip-version-check")
        use(own, folder / artifact.suffix.strip("."), version=version)
        print(f"{python}: {artifact.name} works")


def use(own: Path, home: Path, *, version: str) -> None:
    """What a newcomer does, in a folder that is not the checkout."""
    command, at = own / "hico-platform", ("--home", home)
    assert run(command, "--version", cwd=home.parent) == f"hico-platform {version}\n"
    run(command, "--help", cwd=home.parent)
    data = home.parent / f"{home.name}-data"
    run(command, "data", "synth", "--out", data, "--preset", "tiny", cwd=home.parent)
    space = ("--space", "level_weights.yaml", "--name", "tried", "--trials", "1", "--data", data)
    run(command, "search", *space, *TINY, *at, cwd=home.parent)
    run(command, "report", "tried", "--out", home.parent / f"{home.name}.html", *at, cwd=home.parent)
    run(own / "python", "-c", "import hico_platform as hico; print(hico.load_encoder)", cwd=home.parent)


def run(*words: object, cwd: Path | None = None) -> str:
    """A command's output; ends the check with all of it where the command fails."""
    done = subprocess.run([str(word) for word in words], check=False, capture_output=True, text=True, cwd=cwd)
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
