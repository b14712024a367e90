"""What kubectl is asked, and what it answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.errors import UsageError
from hico_platform.jobs.kubectl import create, would_create
from tests.unit.jobs.test_program import put


def test_the_cluster_creates_or_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="kubectl: expected the program kubectl"):
        create("kind: RayJob")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    put(tmp_path, 'echo "$* $(cat)"', "kubectl")
    assert create("kind: RayJob") == "create --filename=- kind: RayJob\n"
    assert would_create("x") == "create --filename=- --dry-run=server x\n"
    put(tmp_path, "echo 'error: no matches for kind \"RayJob\"' >&2; exit 1", "kubectl")
    with pytest.raises(UsageError, match="got 'no matches for kind \"RayJob\"'; correct cluster: in the space"):
        create("x")
