from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hico_platform.config.parameters import Choice, Range, Simplex
from tests.unit.config.test_space import shares


class TestSimplex:
    @given(st.tuples(shares, shares, shares), st.floats(0, 0.9), st.floats(1.1, 5))
    def test_weights_sum_and_keep_their_bounds(
        self, drawn: tuple[float, float, float], low: float, high: float
    ) -> None:
        simplex = Simplex(name="w", parts=("a", "b", "c", "d"), total=4, low=low, high=high)
        names = [coordinate.name for coordinate in simplex.coordinates()]
        weights = simplex.decode(dict(zip(names, drawn, strict=True)))
        assert math.isclose(sum(map(float, weights.values())), 4, abs_tol=1e-9)
        assert all(low - 1e-9 <= float(weight) <= high + 1e-9 for weight in weights.values())

    @given(st.lists(st.floats(0.01, 1), min_size=4, max_size=4))
    def test_encode_is_the_inverse(self, raw: list[float]) -> None:
        simplex = Simplex(name="w", parts=("a", "b", "c", "d"), total=4)
        weights = {f"w.{part}": 4 * value / sum(raw) for part, value in zip("abcd", raw, strict=True)}
        back = simplex.decode(simplex.encode(weights))
        assert all(math.isclose(float(back[name]), weight, abs_tol=1e-6) for name, weight in weights.items())

    def test_weights_after_one_that_has_all_are_nothing(self) -> None:
        simplex = Simplex(name="w", parts=("a", "b", "c"), total=2)
        weights = {"w.a": 2.0, "w.b": 0.0, "w.c": 0.0}
        assert simplex.decode(simplex.encode(weights)) == pytest.approx(weights)

    def test_equal_shares_of_the_cube_are_equal_volumes(self) -> None:
        # Under Dirichlet(1,1,1,1) each weight's mean is a quarter of the sum.
        simplex = Simplex(name="w", parts=("a", "b", "c", "d"), total=4)
        grid = [(i + 0.5) / 12 for i in range(12)]
        points = [
            simplex.decode({"w.a.share": a, "w.b.share": b, "w.c.share": c}) for a in grid for b in grid for c in grid
        ]
        for part in "abcd":
            mean = sum(float(point[f"w.{part}"]) for point in points) / len(points)
            assert math.isclose(mean, 1, abs_tol=0.01)

    def test_released_weights_can_be_put_to_a_sampler(self) -> None:
        simplex = Simplex(name="w", parts=("a", "b", "c", "d"), total=4)
        ones = {f"w.{part}": 1.0 for part in "abcd"}
        assert simplex.decode(simplex.encode(ones)) == pytest.approx(ones)


class TestEncode:
    def test_nearest_in_a_range(self) -> None:
        assert Range(name="x", low=1, high=9, step=2, integer=True).encode({"x": 6.2}) == {"x": 7}
        assert Range(name="x", low=1, high=9).encode({"x": 20}) == {"x": 9}

    def test_no_value(self) -> None:
        assert Range(name="x", low=1, high=9).encode({}) == {"x": 5}
        assert Range(name="x", low=1, high=9, log=True).encode({}) == {"x": pytest.approx(3)}
        assert Choice(name="x", choices=(1.0, None)).encode({}) == {"x": None}

    def test_nearest_choice(self) -> None:
        assert Choice(name="x", choices=(128, 256)).encode({"x": 2048}) == {"x": 256}
        assert Choice(name="x", choices=("gru", "lstm")).encode({"x": "transformer"}) == {"x": "gru"}
