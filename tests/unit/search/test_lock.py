from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hico_platform.errors import UsageError
from hico_platform.search.lock import holder, search_lock


def test_a_second_driver_is_refused_by_the_first_ones_name(tmp_path: Path) -> None:
    file = tmp_path / "toy" / "lock"
    with search_lock(file, name="toy"):
        known = holder(file)
        assert known is not None
        assert known["pid"] == os.getpid()
        with (
            pytest.raises(UsageError, match=rf"got 'toy'; process {os.getpid()} on .* has run it since \d{{4}}-"),
            search_lock(file, name="toy"),
        ):
            pass
    assert holder(file) is None


def test_it_can_be_held_again(tmp_path: Path) -> None:
    for _ in range(2):
        with search_lock(tmp_path / "lock", name="toy"):
            pass


def test_no_lock_no_holder(tmp_path: Path) -> None:
    assert holder(tmp_path / "lock") is None


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    code = (
        "import os, signal, sys; from pathlib import Path; from hico_platform.search.lock import search_lock\n"
        "with search_lock(Path(sys.argv[1]), name='toy'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(file)], check=False)
    assert json.loads(file.read_text())["pid"] != os.getpid()
    assert holder(file) is None
    with search_lock(file, name="toy"):
        known = holder(file)
        assert known is not None
        assert known["pid"] == os.getpid()
