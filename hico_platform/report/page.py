"""Puts a report into the page template of ``dashboards/``."""

from __future__ import annotations

import os
from pathlib import Path

import hico_platform
from hico_platform.errors import Problem, UsageError
from hico_platform.report import figures
from hico_platform.report.content import ReportContent

TEMPLATE = "report.html"


def render(content: ReportContent) -> str:
    """The whole page: one file, nothing from elsewhere, every value escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_dashboards()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "value": _value}
    plots = {
        "Learning curves": figures.learning_curves(content),
        "Best so far": figures.best_so_far(content),
        "Parameters": figures.parameters(content),
        "Importance": figures.importance(content.importance),
    }
    # The SVG is this package's own drawing; matplotlib escapes the names in it.
    safe = {title: Markup(svg) for title, svg in plots.items() if svg is not None}
    return environment.get_template(TEMPLATE).render(report=content, plots=safe)


def write_page(page: str, file: Path, *, overwrite: bool) -> None:
    """Writes the page, whole or not at all.

    Raises:
        UsageError: there is such a file, and ``overwrite`` is false.
    """
    if file.exists() and not overwrite:
        raise UsageError(
            Problem(
                field="--out",
                rule="a file that does not exist yet",
                value=str(file),
                remedy="give another, or --force to write over it",
            )
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as stream:
        stream.write(page)
        stream.flush()
        os.fsync(stream.fileno())
    beside.rename(file)


def _dashboards() -> Path:
    """Installed, the folder lies inside the package; in a checkout, beside it."""
    package = Path(hico_platform.__file__).parent
    inside = package / "dashboards"
    return inside if inside.is_dir() else package.parent / "dashboards"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _value(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
