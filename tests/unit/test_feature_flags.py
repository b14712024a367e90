from __future__ import annotations

import threading

import pytest

from hico_platform.feature_flags import left_out, switched_off, without


@pytest.mark.parametrize(
    ("value", "off"),
    [(None, False), ("", False), ("on", False), ("1", False), ("0", True), ("OFF", True), ("No", True)],
)
def test_the_environment_switches_off(monkeypatch: pytest.MonkeyPatch, value: str | None, off: bool) -> None:
    monkeypatch.delenv("HICO_TRIED", raising=False)
    if value is not None:
        monkeypatch.setenv("HICO_TRIED", value)
    assert switched_off("HICO_TRIED") is off
    assert not left_out("HICO_TRIED")


def test_this_process_leaves_out_in_a_block_in_all_threads_and_blocks_may_lie_in_each_other() -> None:
    seen: list[bool] = []
    with without("HICO_TRIED"):
        with without("HICO_TRIED", "HICO_OTHER"):
            assert left_out("HICO_OTHER")
        thread = threading.Thread(target=lambda: seen.append(switched_off("HICO_TRIED")))
        thread.start()
        thread.join()
        assert not left_out("HICO_OTHER")
    assert seen == [True]
    assert not left_out("HICO_TRIED")


def test_an_error_ends_the_block_too() -> None:
    with pytest.raises(ValueError, match="no"), without("HICO_TRIED"):
        raise ValueError("no")
    assert not left_out("HICO_TRIED")
