"""Checkouts of git, made here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hico_platform.environment.checkout import Checkout, checkout_of


def git(root: Path, *words: str) -> str:
    own = ("-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "init.defaultBranch=main")
    return subprocess.run(["git", *own, *words], cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def package(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    (root / "pack").mkdir(parents=True)
    (root / "pack" / "__init__.py").write_text("one = 1\n")
    (root / ".gitignore").write_text("ignored\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root / "pack"


def found(package: Path, most_bytes: int = 10_000) -> Checkout:
    checkout = checkout_of(package, most_bytes=most_bytes)
    assert checkout is not None
    return checkout


def test_a_clean_checkout_is_its_commit(package: Path) -> None:
    checkout = found(package)
    assert (checkout.commit, checkout.branch) == (git(package, "rev-parse", "HEAD").strip(), "main")
    assert (checkout.diff, checkout.digest, checkout.untracked) == ("", "", ())
    assert not checkout.is_masked
    assert not checkout.is_cut


def test_what_is_not_committed_is_there_also_staged_and_new_files_of_the_package(package: Path) -> None:
    (package / "__init__.py").write_text("one = 2\n")
    (package / "staged.py").write_text("staged = 1\n")
    git(package, "add", "staged.py")
    (package / "new.py").write_text("new = 1\n")
    (package.parent / "notes.txt").write_text("mine\n")
    (package.parent / "ignored").write_text("x\n")
    before = git(package, "status", "--porcelain")
    checkout = found(package)
    for line in ("-one = 1", "+one = 2", "+staged = 1", "+new = 1"):
        assert line in checkout.diff.splitlines()
    assert checkout.untracked == ("notes.txt", "pack/new.py")
    assert "mine" not in checkout.diff
    assert git(package, "status", "--porcelain") == before  # the checkout's index is as it was
    (package / "__init__.py").write_text("one = 3\n")
    assert found(package).digest != checkout.digest
    clean = package.parent.parent / "clean"
    git(package.parent, "worktree", "add", "-q", str(clean))
    subprocess.run(["git", "apply"], input=checkout.diff, text=True, cwd=clean, check=True)
    assert (clean / "pack" / "new.py").read_text() == "new = 1\n"
    assert found(clean / "pack").digest == checkout.digest


def test_secrets_are_masked_and_long_diffs_cut_off(package: Path) -> None:
    (package / "__init__.py").write_text("PASSWORD = 'hunter2'\n" + "line = 1\n" * 500)
    checkout = found(package, most_bytes=1000)
    assert checkout.is_masked
    assert checkout.is_cut
    assert "hunter2" not in checkout.diff
    assert len(checkout.diff) < 1100
    assert checkout.diff.splitlines()[-1].startswith("# cut off: ")
    assert checkout.digest == found(package).digest


def test_no_program_of_a_configuration_runs(package: Path) -> None:
    ran = package.parent / "ran"
    for name in ("diff.external", "core.fsmonitor", "diff.x.textconv"):
        git(package, "config", name, f"touch '{ran}' #")
    (package.parent / ".gitattributes").write_text("*.py diff=x\n")
    (package / "__init__.py").write_text("one = 2\n")
    assert "+one = 2" in found(package).diff
    assert not ran.exists()


def test_what_is_no_checkout_of_the_package_is_none(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = package.parent / "ignored" / "site-packages" / "other"
    inside.mkdir(parents=True)
    (inside / "__init__.py").touch()
    assert checkout_of(inside) is None  # a virtual environment in somebody's checkout
    (tmp_path / "plain").mkdir()
    assert checkout_of(tmp_path / "plain") is None
    monkeypatch.setenv("PATH", "")
    assert checkout_of(package) is None
