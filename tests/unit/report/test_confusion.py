from __future__ import annotations

import numpy as np
import pytest

from hico_platform.report.confusion import draw_confusion


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 70])
def test_a_picture_of_any_number_of_classes(classes: int) -> None:
    counts = np.eye(classes, dtype=np.int64) * 3
    counts[0] = 0  # a class that no sequence has
    names = [f"class $x_{i}$ \\frac" for i in range(classes)]  # no mathematics
    assert draw_confusion(counts, names, title="knn, 100 % $").startswith(b"\x89PNG")
