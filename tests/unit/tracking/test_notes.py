"""Notes that MLflow's pages show: what this project wrote is kept current, what a person wrote stays."""

from __future__ import annotations

from hico_platform.tracking.notes import DIGEST_TAG, MOST_CHARACTERS, NOTE_TAG, note_tags, plain, table


def test_a_note_follows_what_it_is_of() -> None:
    tags = dict(note_tags("first", {}))
    assert tags[NOTE_TAG] == "first"
    assert note_tags("first", tags) == {}, "there is nothing to write"
    assert note_tags("second", tags)[NOTE_TAG] == "second"


def test_a_note_that_a_person_wrote_or_removed_stays() -> None:
    tags = dict(note_tags("first", {}))
    assert note_tags("second", {**tags, NOTE_TAG: "mine"}) == {}
    assert note_tags("second", {**tags, NOTE_TAG: ""}) == {}
    assert note_tags("second", {NOTE_TAG: "written where there was none"}) == {}


def test_a_note_of_an_earlier_version_is_replaced() -> None:
    assert note_tags("second", {NOTE_TAG: "of 0.1"}, also_ours=("of 0.1",))[NOTE_TAG] == "second"


def test_a_long_note_fits_into_a_tag_and_is_known_again() -> None:
    tags = note_tags("x" * 9000, {})
    assert len(tags[NOTE_TAG]) == MOST_CHARACTERS
    assert note_tags("y" * 9000, tags)[DIGEST_TAG] != tags[DIGEST_TAG]


def test_text_from_elsewhere_is_no_markdown() -> None:
    assert plain("a*b\n[c](http://d) <script>") == "a\\*b \\[c\\](http://d) \\<script\\>"
    assert table({"a.b": 0.123456, "c": "x|y"}, heading=("setting", "value")) == [
        "| setting | value |",
        "| --- | --- |",
        "| `a.b` | 0.1235 |",
        "| `c` | x\\|y |",
    ]
    assert table({}, heading=("setting", "value")) == []
