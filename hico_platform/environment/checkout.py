"""The checkout that this package runs from: its commit, and what is in it beside that commit."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hico_platform.bounded_process import run_bounded
from hico_platform.environment.masked_diff import masked_diff

MOST_BYTES = 2**20
"""Of a diff that is kept; a longer one is cut off after a whole line."""
MOST_NAMES = 100
"""Of files that git does not know."""
GIT_TIMEOUT_S = 20.0

# Neither the user's configuration nor the checkout's may run a program for a diff.
_PLAIN = ("-c", "core.fsmonitor=false", "-c", "core.quotePath=false")
_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD", "--")


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A checkout of git.

    Args:
        commit: the whole name of the commit.
        branch: the branch; empty for none.
        diff: what differs from the commit, new files of the package included, without secrets; empty for nothing.
        digest: sha256 of the whole diff before anything was masked or cut off; empty for none.
        untracked: files that git neither knows nor ignores, the first of them by name.
        is_masked: whether secrets were masked in the diff, which then cannot be applied as it is.
        is_cut: whether the diff was cut off.
    """

    commit: str
    branch: str
    diff: str
    digest: str
    untracked: tuple[str, ...] = ()
    is_masked: bool = False
    is_cut: bool = False


def checkout_of(package: Path, *, most_bytes: int = MOST_BYTES) -> Checkout | None:
    """The checkout that a package's folder belongs to; None where it is installed, or git cannot tell."""
    root = package.parent
    if shutil.which("git") is None or _git(root, "ls-files", "--error-unmatch", f"{package.name}/__init__.py") is None:
        return None
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:  # nothing is committed yet
        return None
    untracked = (_git(root, "ls-files", "--others", "--exclude-standard") or "").splitlines()
    whole = _whole_diff(root, package.name, new=[name for name in untracked if name.startswith(f"{package.name}/")])
    shown = masked_diff(whole)
    kept = _cut(shown, most_bytes)
    return Checkout(
        commit=commit.strip(),
        branch=(_git(root, "branch", "--show-current") or "").strip(),
        diff=kept,
        digest=hashlib.sha256(whole.encode()).hexdigest() if whole else "",
        untracked=tuple(untracked[:MOST_NAMES]),
        is_masked=shown != whole,
        is_cut=kept is not shown,
    )


def _whole_diff(root: Path, package: str, *, new: Sequence[str]) -> str:
    """What differs from the commit. New files join by a copy of the index, so that the checkout's own stays."""
    index = (_git(root, "rev-parse", "--git-path", "index") or "").strip()
    if not new or not index:
        return _git(root, *_DIFF) or ""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "index"
        shutil.copyfile(root / index, copy)
        own = {"GIT_INDEX_FILE": str(copy)}
        _git(root, "add", "--intent-to-add", "--", package, more=own)
        return _git(root, *_DIFF, more=own) or ""


def _cut(text: str, most_bytes: int) -> str:
    whole = text.encode()
    if len(whole) <= most_bytes:
        return text
    kept = whole[:most_bytes].rpartition(b"\n")[0].decode(errors="ignore")
    return f"{kept}\n# cut off: {len(whole):,} bytes in all\n"


def _git(root: Path, *words: str, more: Mapping[str, str] | None = None) -> str | None:
    """What git says; None where it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", **(more or {})}
    try:
        done = run_bounded(["git", *_PLAIN, *words], timeout_s=GIT_TIMEOUT_S, environment=environment, folder=root)
    except (OSError, subprocess.SubprocessError):
        return None
    return None if done.returncode else done.stdout.decode(errors="replace")
