from __future__ import annotations

from hico_platform.search.grid import grid_left, grid_points
from tests.toy import toy_space

SEARCH = {
    "contrast.temperature": {"low": 0.1, "high": 0.3, "step": 0.1},
    "model": {
        "encoder": {"choice": ["lstm", "transformer"]},
        "heads": {"choice": [2, 4], "when": {"model.encoder": "transformer"}},
    },
}
SPACE = toy_space(search=SEARCH, sampler={"name": "grid"})


def values(point: dict) -> tuple:
    held = SPACE.values(lambda axis: point[axis.name])
    return tuple(round(value, 9) if isinstance(value, float) else value for _, value in sorted(held.items()))


def test_every_combination_is_there_once_and_an_unmet_condition_adds_none() -> None:
    found = [values(point) for point in grid_points(SPACE)]
    temperatures = (0.1, 0.2, 0.3)
    expected = {(t, "lstm") for t in temperatures} | {(t, "transformer", h) for t in temperatures for h in (2, 4)}
    assert set(found) == expected
    assert len(found) == len(expected)


def test_the_order_follows_from_the_seed() -> None:
    other = toy_space(search=SEARCH, sampler={"name": "grid", "seed": 1})
    assert grid_points(SPACE) == grid_points(toy_space(search=SEARCH, sampler={"name": "grid"}))
    assert grid_points(SPACE) != grid_points(other)


def test_what_was_tried_is_left_out_also_where_steps_add_up_inexactly() -> None:
    tried = {"contrast.temperature": 0.1 + 0.1 + 0.1, "model.encoder": "lstm"}
    left = [values(point) for point in grid_left(SPACE, [tried])]
    assert len(left) == 8
    assert (0.3, "lstm") not in left
