from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hico_platform.ops import _backend
from hico_platform.ops.cpu import library


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing compiled and nothing loaded yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    library.loaded.cache_clear()
    yield
    library.loaded.cache_clear()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Sources that compile in no time, for what is kept where; the real ones are compiled by every other test."""
    sources = tmp_path / "sources"
    sources.mkdir()
    said = "long lanes_of_products(void) { return 0; }\n"
    (sources / "kernels.c").write_text(said)
    monkeypatch.setattr(library, "_SOURCES", sources)
    return sources


needs_compiler = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler")


@needs_compiler
@pytest.mark.usefixtures("small")
def test_compiled_once_into_a_folder_of_the_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert library.kernels() is not None
    folder = tmp_path / "cache" / "hico-platform"
    (built,) = folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    library.loaded.cache_clear()
    monkeypatch.setattr(library, "run_bounded", None)  # not needed again
    assert library.kernels() is not None
    assert list(folder.iterdir()) == [built]


@needs_compiler
@pytest.mark.usefixtures("small")
def test_a_folder_that_others_can_write_to_is_not_trusted(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "hico-platform"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert library.kernels() is not None
    assert not list(folder.iterdir())


@needs_compiler
@pytest.mark.usefixtures("small")
def test_a_cache_below_a_folder_that_others_can_write_to_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    cache = tmp_path / "cache"
    (cache / "hico-platform").mkdir(mode=0o700, parents=True)
    cache.chmod(0o777)
    with caplog.at_level(logging.WARNING):
        assert library.kernels() is not None
    assert not list((cache / "hico-platform").iterdir())
    assert not list((tmp_path / "scratch").iterdir()), "what is loaded needs no file any more"
    assert f"other accounts may write to {cache} (mode 0777); chmod go-w {cache}" in caplog.text


@needs_compiler
@pytest.mark.usefixtures("small")
def test_where_no_folder_can_be_trusted_there_are_no_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "cache"))
    with caplog.at_level(logging.WARNING):
        assert library.kernels() is None
    assert "training takes longer: other accounts may write to" in caplog.text


PLANTED = (
    '#include <stdio.h>\n__attribute__((constructor)) static void run(void) { fclose(fopen(MARK, "w")); }\n'
    "long lanes_of_products(void) { return 0; }\n"
)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A library that makes the file ``mark`` when it is loaded."""
    (tmp_path / "planted.c").write_text(PLANTED)
    mark = f'-DMARK="{tmp_path / "mark"}"'
    target = tmp_path / "planted.so"
    compiler = library._compiler() or "cc"
    subprocess.run([compiler, mark, "-shared", "-fPIC", str(tmp_path / "planted.c"), "-o", str(target)], check=True)
    return target


class Unloaded:
    """In the place of a library: the loader would take a second one of the same path for the first."""

    def __init__(self, path: str) -> None:
        self.lanes_of_products = lambda: 0


@pytest.fixture
def built(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library in the cache, compiled and not loaded."""
    with monkeypatch.context() as patch:
        patch.setattr(library.ctypes, "CDLL", Unloaded)
        assert library.kernels() is not None
    library.loaded.cache_clear()
    (built,) = (tmp_path / "cache" / "hico-platform").iterdir()
    return built


def plant(planted: Path, file: Path, how: str) -> None:
    """Puts the library where the one that was compiled is, as somebody might who wrote to the folder once."""
    file.unlink()
    if how == "link":
        file.symlink_to(planted)
    else:
        shutil.copy(planted, file)
        file.chmod(0o777 if how == "open to others" else 0o700)
    if how == "another's":
        os.chown(file, 61234, -1)


@needs_compiler
@pytest.mark.parametrize("how", ["link", "open to others", "another's", "other bytes"])
def test_what_was_not_compiled_here_is_not_loaded(tmp_path: Path, planted: Path, built: Path, how: str) -> None:
    if how == "another's" and os.geteuid():
        pytest.skip("only root gives files to others")
    plant(planted, built, how)
    assert library.kernels() is not None
    assert not (tmp_path / "mark").exists()
    assert [each.is_symlink() for each in built.parent.iterdir()] == [False]


@needs_compiler
def test_what_takes_the_place_of_the_file_after_its_check_is_not_loaded(
    tmp_path: Path, planted: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = library.ctypes.CDLL

    def swapped(path: str) -> object:
        plant(planted, built, "other bytes")
        return load(path)

    monkeypatch.setattr(library.ctypes, "CDLL", swapped)
    assert library.kernels() is not None
    assert not (tmp_path / "mark").exists()


def test_without_a_compiler_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with caplog.at_level(logging.WARNING):
        assert library.kernels() is None
    assert "no C compiler (cc, gcc, clang)" in caplog.text


def test_a_compiler_that_fails_is_named_with_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no space for objects >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    with caplog.at_level(logging.WARNING):
        assert library.kernels() is None
    assert str(broken) in caplog.text
    assert "no space for objects" in caplog.text
    assert not [each for each in (tmp_path / "cache" / "hico-platform").iterdir() if each.is_file()]


@pytest.mark.slow
@needs_compiler
def test_a_compiler_without_openmp_makes_kernels_of_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "plain"
    real = shutil.which("cc") or shutil.which("gcc")
    compiler.write_text(f'#!/bin/sh\ncase "$*" in *-fopenmp*) exit 1;; esac\nexec {real} "$@"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    assert library.kernels() is not None


def test_they_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICO_KERNELS", "off")
    assert library.kernels() is None
    assert _backend.chosen(torch.zeros(1)) is None


def test_the_sources_ship_with_the_package() -> None:
    files = {each.name for each in library._SOURCES.iterdir()}
    included = re.findall(r'#include "(.*)"', "\n".join(each.read_text() for each in library._SOURCES.glob("*.[ch]")))
    assert len(set(included)) > 10
    assert {"kernels.c", *included} <= files


@pytest.mark.slow
@needs_compiler
def test_a_library_cut_short_is_compiled_again(small: Path, tmp_path: Path) -> None:
    assert library.kernels() is not None
    (built,) = (tmp_path / "cache" / "hico-platform").iterdir()
    built.unlink()  # a new file: the one that is loaded here must stay whole
    built.write_bytes(b"")
    code = (
        "import pathlib, sys; from hico_platform.ops.cpu import library; library._SOURCES = pathlib.Path(sys.argv[1]); "
        "assert library.kernels() is not None"
    )
    subprocess.run([sys.executable, "-c", code, str(small)], check=True, env={**os.environ})
    (anew,) = (tmp_path / "cache" / "hico-platform").iterdir()
    assert anew.stat().st_size > 0
