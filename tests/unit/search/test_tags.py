from __future__ import annotations

import pytest

from hico_platform.errors import UsageError
from hico_platform.search.tags import PersonsNote, Signed, TagRecord, check_note, check_tag


@pytest.mark.parametrize("tag", ["baseline", "v1.2", "a_b-c", "7", "x" * 100])
def test_a_tag_that_may_be_set(tag: str) -> None:
    assert check_tag(tag) == tag


@pytest.mark.parametrize("tag", ["", "not good", "-x", ".x", "ü", "a/b", "a,b", "x" * 101, "a\n"])
def test_a_tag_that_may_not(tag: str) -> None:
    with pytest.raises(UsageError, match="TAG: expected a tag of letters, digits, dot, dash and underscore that"):
        check_tag(tag)


def test_a_note_that_is_no_utf_8_is_refused() -> None:
    with pytest.raises(UsageError, match=r"TEXT: expected a text in UTF-8, got .*udcff.*; write it in UTF-8"):
        check_note("a\udcff")


def test_a_long_note_is_refused() -> None:
    assert check_note("x" * 5000) == "x" * 5000
    with pytest.raises(UsageError, match="TEXT: expected at most 5000 characters, got '5001 characters'; cut it, or"):
        check_note("x" * 5001)


def test_what_another_program_wrote_is_read_as_far_as_it_goes() -> None:
    assert PersonsNote.from_plain({"text": "a", "by": 3, "at_s": "x"}) == PersonsNote(text="a", by="unknown", at_s=0.0)
    for plain in (["a"], None, {"by": "x"}, {"text": ""}, {"text": 3}):
        assert PersonsNote.from_plain(plain) is None
    assert TagRecord.from_plain("a b", {"by": "x", "at_s": 1.0}) is None
    assert TagRecord.from_plain("a", None) is None, "it was taken away"
    assert TagRecord.from_plain("a", {}) == TagRecord(name="a", by="unknown", at_s=0.0)
    assert TagRecord.from_plain("a", {"by": "ann", "at_s": 7}) == TagRecord(name="a", by="ann", at_s=7.0)


@pytest.mark.parametrize("at_s", [True, float("nan"), float("inf"), "1", None])
def test_a_moment_that_is_none_is_the_first(at_s: object) -> None:
    assert Signed.signature({"by": "a\x1b[2J", "at_s": at_s}) == ("a?[2J", 0.0)
