"""The page of the built-in layouts, each drawn as ``data layouts NAME --draw FILE`` draws it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from docs.generate.markdown import code, escaped, table
from hico_platform.data.draw_layout import draw_layout
from hico_platform.data.layout import Layout, Point
from hico_platform.data.layouts import BUILT_IN


def pages() -> dict[str, str | bytes]:
    """The page and its pictures."""
    made: dict[str, str | bytes] = {"reference/layouts.md": _page()}
    with tempfile.TemporaryDirectory() as folder:
        for name, one in BUILT_IN.items():
            picture = Path(folder) / f"{name}.png"
            draw_layout(one.layout, picture)
            made[f"reference/layouts/{name}.png"] = picture.read_bytes()
    return made


def _page() -> str:
    lines = [
        "# Layouts",
        "",
        "A layout is the order of joints in a recording, the bones between them, and the points by which poses are",
        "normalised. `hico-platform data layouts NAME --draw FILE` draws one; [a layout",
        "file](../data.md#your-own-data-the-manifest)",
        "describes another.",
        "",
        table(
            ["name", "joints", "source"],
            [
                (f"[{code(name)}](#{name})", str(len(one.layout.joints)), escaped(one.source))
                for name, one in BUILT_IN.items()
            ],
        ),
    ]
    for name, one in BUILT_IN.items():
        also = f" It is also called {', '.join(map(code, one.also))}." if one.also else ""
        lines += [
            f"## {name}",
            "",
            f"{len(one.layout.joints)} joints, {escaped(one.source)}.",
            f"Centre: {_said(one.layout, one.layout.centre)}.{also}",
            "",
            f"![The joints of {name}, numbered, on a person, with centre and axes](layouts/{name}.png)",
            "",
        ]
    return "\n".join(lines)


def _said(layout: Layout, point: Point) -> str:
    joints = [code(layout.joints[joint]) for joint in ((point,) if isinstance(point, int) else point)]
    return joints[0] if len(joints) == 1 else f"the midpoint of {' and '.join(joints)}"
