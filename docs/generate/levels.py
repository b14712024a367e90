"""Draws the four levels of the method: ``python docs/generate/levels.py`` writes docs/explanation/levels.svg."""

from __future__ import annotations

from pathlib import Path

PICTURE = Path(__file__).resolve().parents[1] / "explanation" / "levels.svg"
WIDTH, HEIGHT = 980, 620
TEMPORAL, SPATIAL, BOTH, INK, PALE = "#3f51b5", "#00897b", "#8e24aa", "#263238", "#eceff1"

JOINTS = {  # of a small person, in a box of 60 x 100
    "head": (30, 8), "neck": (30, 24), "hips": (30, 55), "hand_l": (6, 42), "elbow_l": (14, 30), "hand_r": (56, 18),
    "elbow_r": (46, 28), "knee_l": (22, 76), "foot_l": (18, 98), "knee_r": (40, 74), "foot_r": (46, 96),
}  # fmt: skip
BONES = [
    ("head", "neck"), ("neck", "hips"), ("neck", "elbow_l"), ("elbow_l", "hand_l"), ("neck", "elbow_r"),
    ("elbow_r", "hand_r"), ("hips", "knee_l"), ("knee_l", "foot_l"), ("hips", "knee_r"), ("knee_r", "foot_r"),
]  # fmt: skip


def drawing() -> str:
    """The picture as SVG; its ground is white, so that it can be read on a dark page."""
    shapes = [
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>',
        _heading(95, "one recording"),
        *[_person(20 + 40 * k, 235 + 4 * (k % 2), lean=6 * (k - 1)) for k in range(3)],
        _note(95, 368, "T frames, M bodies,"),
        _note(95, 384, "J joints, C coordinates"),
        _heading(290, "tokens"),
        *_tokens(TEMPORAL, y=110, names=("a token a frame", "64 x 150")),
        *_tokens(SPATIAL, y=400, names=("a token a joint", "50 x 192")),
        _arrow(165, 265, 225, 165, TEMPORAL),
        _arrow(165, 310, 225, 440, SPATIAL),
        _heading(505, "granularities, one encoder a branch"),
        *_granularities(TEMPORAL, y=85, counts=("64", "32", "16", "8")),
        *_granularities(SPATIAL, y=375, counts=("50", "25", "12", "6")),
        _arrow(360, 165, 408, 165, TEMPORAL),
        _arrow(360, 455, 408, 455, SPATIAL),
        _heading(832, "levels"),
        _level(715, 70, TEMPORAL, "clip", ("granularity 0 of one view with", "all G of the other view, in time")),
        _level(715, 195, BOTH, "domain", ("all temporal vectors with all", "spatial ones of the other view")),
        _level(715, 320, BOTH, "instance", ("everything with everything:", "2 G D numbers, the feature")),
        _level(715, 445, SPATIAL, "part", ("granularity 0 of one view with", "all G of the other view, in joints")),
        _arrow(640, 130, 709, 112, TEMPORAL),
        _arrow(640, 165, 709, 232, TEMPORAL),
        _arrow(640, 200, 709, 350, TEMPORAL),
        _arrow(640, 430, 709, 252, SPATIAL),
        _arrow(640, 455, 709, 374, SPATIAL),
        _arrow(640, 500, 709, 494, SPATIAL),
        _note(
            490,
            590,
            "Each level asks which of thousands is the other view of this recording; the others lie in queues.",
        ),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" role="img">\n'
        "<title>The four levels of HiCo</title>\n"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>\n' + "\n".join(shapes) + "\n</svg>\n"
    )


def _person(x: float, y: float, *, lean: float) -> str:
    def at(joint: str) -> tuple[float, float]:
        px, py = JOINTS[joint]
        return x + px + lean * (1 - py / 100), y + py

    lines = "".join("M{:g} {:g}L{:g} {:g}".format(*at(start), *at(end)) for start, end in BONES)
    dots = "".join('<circle cx="{:g}" cy="{:g}" r="3"/>'.format(*at(joint)) for joint in JOINTS)
    return f'<g fill="{INK}"><path d="{lines}" stroke="{INK}" stroke-width="2" fill="none"/>{dots}</g>'


def _tokens(colour: str, *, y: float, names: tuple[str, str]) -> list[str]:
    bars = [f'<rect x="{232 + 15 * k}" y="{y}" width="10" height="110" rx="2" fill="{colour}"/>' for k in range(8)]
    return [*bars, _text(290, y + 128, names[0], colour, 14), _note(290, y + 145, names[1])]


def _granularities(colour: str, *, y: float, counts: tuple[str, ...]) -> list[str]:
    shapes = []
    for row, count in enumerate(counts):
        top = y + 42 * row
        number, pale = 8 >> row, f"{1 - 0.16 * row:.2f}"
        shapes += [
            f'<rect x="{412 + 11 * k}" y="{top}" width="7" height="26" rx="2" fill="{colour}" opacity="{pale}"/>'
            for k in range(number)
        ]
        shapes.append(_note(545, top + 18, f"{count} tokens"))
        shapes.append(
            f'<rect x="590" y="{top}" width="44" height="26" rx="3" fill="{colour}" opacity="{1 - 0.16 * row:.2f}"/>'
        )
        shapes.append(_text(612, top + 17, f"g = {row}", "#ffffff", 11))
    shapes.append(_note(505, y + 180, "halved, encoded again, maximum over tokens"))
    return shapes


def _level(x: float, y: float, colour: str, name: str, lines: tuple[str, str]) -> str:
    said = "".join(_note(x + 117, y + 58 + 18 * k, line) for k, line in enumerate(lines))
    box = f'<rect x="{x}" y="{y}" width="235" height="95" rx="6" fill="{PALE}" stroke="{colour}" stroke-width="2"/>'
    return box + _text(x + 117, y + 30, name, colour, 18, weight="bold") + said


def _arrow(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<path d="M{x1} {y1}L{x2} {y2}" stroke="{colour}" stroke-width="1.8" fill="none" marker-end="url(#tip)"/>'


def _heading(x: float, text: str) -> str:
    return _text(x, 40, text, INK, 16, weight="bold")


def _note(x: float, y: float, text: str) -> str:
    return _text(x, y, text, INK, 13)


def _text(x: float, y: float, text: str, colour: str, size: float, *, weight: str = "normal") -> str:
    style = f'text-anchor="middle" font-size="{size}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x}" y="{y}" {style}>{text}</text>'


if __name__ == "__main__":
    PICTURE.write_text(drawing(), "utf-8")
