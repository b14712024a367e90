from __future__ import annotations

from hico_platform.config.document import Document, dotted

NESTED = Document(
    data={"a": {"b": {"c": [{"d": 1}]}}},
    file="space.yaml",
    lines={("a",): 2, ("a", "b"): 3, ("a", "b", "c"): 4},
    files={("a", "b"): "base.yaml"},
)


def test_a_problem_stands_where_the_nearest_part_around_it_does() -> None:
    def place(*path: str | int) -> tuple[object, int | None]:
        problem = NESTED.problem(path, rule="another value", remedy=None)
        return problem.file, problem.line

    assert place("a", "b", "c", 0, "d") == place("a", "b", "c", 0) == place("a", "b", "c") == ("space.yaml", 4)
    assert place("a", "b", "x") == place("a", "b") == ("base.yaml", 3)
    assert place("a", "x") == ("space.yaml", 2)
    assert place("x") == place() == ("space.yaml", None)


def test_a_problem_names_its_field_and_may_hide_its_value() -> None:
    problem = NESTED.problem(("a", "b", "c", 0, "d"), rule="2", value="secret", remedy="write 2", show=False)
    assert (problem.field, problem.value, problem.remedy) == ("a.b.c[0].d", None, "write 2")
    assert NESTED.problem(("a",), rule="2", value=1, remedy=None).value == 1


def test_what_stands_at_a_path_and_nothing_where_there_is_none() -> None:
    assert NESTED.value(("a", "b", "c", 0, "d")) == 1
    assert (
        NESTED.value(("a", "b", "c", 1)) is NESTED.value(("a", "b", "c", 0, "d", "e")) is NESTED.value(("x",)) is None
    )


def test_a_path_in_words() -> None:
    assert dotted(("contrast", "level_weights", "clip")) == "contrast.level_weights.clip"
    assert dotted(("warm_start", 0)) == "warm_start[0]"
    assert dotted(()) == ""
