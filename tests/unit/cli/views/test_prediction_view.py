from __future__ import annotations

from hico_platform.cli.views.prediction_view import as_line, as_text
from hico_platform.commands.predict import Prediction
from hico_platform.export.recogniser import Neighbour

FOUND = Prediction(
    name="a.npy",
    probabilities={"wave\x1b[2J": 0.75, "drink": 0.2, "eat": 0.05},
    neighbours=[Neighbour(name="S1\nS2", label="wave", distance=0.01234)],
)


def test_names_are_made_safe_for_a_terminal() -> None:
    assert as_text(FOUND, classes=2) == "a.npy: wave?[2J 75.0%, drink 20.0%\n  0.0123  wave  S1 S2"


def test_a_line_has_everything() -> None:
    assert as_line(FOUND) == {
        "name": "a.npy",
        "class": "wave\x1b[2J",
        "probabilities": FOUND.probabilities,
        "neighbours": [{"name": "S1\nS2", "label": "wave", "distance": 0.01234}],
    }
