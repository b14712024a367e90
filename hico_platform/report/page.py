"""Puts a report into the page template of ``dashboards/``."""

from __future__ import annotations

import base64
from pathlib import Path

from hico_platform.atomic_io import write_whole
from hico_platform.config.package_files import shipped_folder
from hico_platform.errors import Problem, UsageError
from hico_platform.report import figures
from hico_platform.report.content import ReportContent

TEMPLATE = "report.html"


def render(content: ReportContent) -> str:
    """The whole page: one file, nothing from elsewhere, every value escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(shipped_folder("dashboards")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "value": _value, "image": _image, "image_name": _image_name}
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
    write_whole(file, page.encode())


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _image(file: str) -> str:
    """A PNG as an address that holds it, so that the page needs no other file."""
    return f"data:image/png;base64,{base64.b64encode(Path(file).read_bytes()).decode()}"


def _image_name(file: str) -> str:
    return Path(file).stem.replace("_", " ")


def _value(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
