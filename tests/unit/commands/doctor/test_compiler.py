from __future__ import annotations

from pathlib import Path

from hico_platform.commands.doctor import compiler
from tests.unit.commands.doctor.around import around, seen


def test_any_compiler_will_do_and_none_is_slow(tmp_path: Path) -> None:
    (found,) = seen(compiler.check(around(tmp_path, PATH=str(tmp_path))))
    assert found == ("compiler", "warning", "none")
    (tmp_path / "clang").write_text("#!/bin/sh\n")
    (tmp_path / "clang").chmod(0o755)
    (found,) = seen(compiler.check(around(tmp_path, PATH=str(tmp_path))))
    assert found == ("compiler", "good", str(tmp_path / "clang"))
