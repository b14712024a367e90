"""Puts one report, or several side by side, into the page template of ``dashboards/``.

The page is one file that fetches nothing: Plotly's script is inlined from the installed package, and a
Content-Security-Policy names the hashes of the two scripts that may run. Everything a reader needs as text stands in
the page itself, so that it can be read and printed where no script runs.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hico_platform.atomic_io import write_whole
from hico_platform.config.package_files import shipped_folder
from hico_platform.errors import Problem, UsageError
from hico_platform.report import retrain_curves, retrain_plots, side_by_side
from hico_platform.report.certainty import Certainty, certainty
from hico_platform.report.content import ReportContent, RetrainTable
from hico_platform.report.plot import Plot, Table, labels, number, percent
from hico_platform.report.search_plots.contour import contour
from hico_platform.report.search_plots.cost import cost, cost_table, machine_table
from hico_platform.report.search_plots.history import history
from hico_platform.report.search_plots.importance import importance
from hico_platform.report.search_plots.learning_curves import learning_curves
from hico_platform.report.search_plots.parallel import parallel
from hico_platform.report.search_plots.rung_flow import rung_flow
from hico_platform.report.search_plots.slices import interactions, slices
from hico_platform.report.search_plots.weights import weights
from hico_platform.report.trial_table import Cell, TrialRow, failures, trial_headings, trial_rows

TEMPLATE, STYLE, SCRIPT = "report.html", "report.css", "report.js"


@dataclass(frozen=True, kw_only=True)
class RetrainPart:
    """What the page shows of one retraining."""

    of: RetrainTable
    scores: Table
    plot: Plot | None
    differences: Table | None
    candidates: Table | None
    curves: Sequence[Plot]
    others: Table | None
    figures: Sequence[Plot]
    pictures: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class SearchPart:
    """What the page shows of one search; ``prefix`` makes the names in the page unique."""

    of: ReportContent
    prefix: str
    sure: Certainty | None
    values: Sequence[tuple[str, str]]
    plots: dict[str, Plot | None]
    weights: Sequence[Plot]
    slices: Sequence[Plot]
    cost: Table
    machines: Table | None
    headings: Sequence[Cell]
    rows: Sequence[TrialRow]
    retrainings: Sequence[RetrainPart]
    failures: Table | None

    @property
    def every_plot(self) -> list[Plot]:
        """All plots."""
        retrained = [plot for one in self.retrainings for plot in (one.plot, *one.curves, *one.figures)]
        return [plot for plot in (*self.plots.values(), *self.weights, *self.slices, *retrained) if plot is not None]


def render(*contents: ReportContent) -> str:
    """The whole page: one file, nothing from elsewhere, every value escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    folder = shipped_folder("dashboards")
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "value": number,
        "image": _image,
        "image_name": _image_name,
        "breakable": _breakable,
    }
    searches = [_part(content, prefix="" if len(contents) == 1 else f"s{n}-") for n, content in enumerate(contents)]
    side = [side_by_side.bests(contents), side_by_side.history(contents)] if len(contents) > 1 else []
    plots = [plot for plot in side if plot is not None] + [plot for one in searches for plot in one.every_plot]
    library, script = _plotly(), (folder / SCRIPT).read_text()
    # The scripts are this package's and Plotly's; the numbers are JSON in which no character can end its element.
    return environment.get_template(TEMPLATE).render(
        searches=searches,
        side=[plot for plot in side if plot is not None],
        side_table=side_by_side.table(contents) if len(contents) > 1 else None,
        differs=side_by_side.differs(contents),
        title=", ".join(content.name for content in contents),
        made=contents[0].made,
        style=Markup((folder / STYLE).read_text()),
        library=Markup(library),
        script=Markup(script),
        figures=Markup(_json({plot.name: plot.plain for plot in plots})),
        policy=_policy(library, script),
    )


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


def _part(content: ReportContent, *, prefix: str) -> SearchPart:
    names = labels(content)
    best = content.best_trial
    return SearchPart(
        of=content,
        prefix=prefix,
        sure=certainty(content),
        values=[] if best is None else [(name, number(value)) for name, value in best.values.items()],
        plots={
            "history": history(content, prefix=prefix),
            "curves": learning_curves(content, prefix=prefix),
            "rungs": rung_flow(content, prefix=prefix),
            "parallel": parallel(content, prefix=prefix),
            "importance": importance(content, prefix=prefix),
            "pairs": interactions(content, prefix=prefix),
            "contour": contour(content, prefix=prefix),
            "cost": cost(content, prefix=prefix),
        },
        weights=weights(content, prefix=prefix),
        slices=slices(content, prefix=prefix),
        cost=cost_table(content),
        machines=machine_table(content),
        headings=trial_headings(content, names),
        rows=trial_rows(content),
        retrainings=[
            _retraining(table, score=content.score, prefix=f"{prefix}final{place}-")
            for place, table in enumerate(content.finals)
        ],
        failures=failures(content),
    )


def _retraining(table: RetrainTable, *, score: str, prefix: str) -> RetrainPart:
    figures = [
        retrain_plots.features(table, prefix=prefix),
        retrain_plots.confusion(table, prefix=prefix),
        retrain_plots.losses(table, prefix=prefix),
    ]
    return RetrainPart(
        of=table,
        scores=retrain_plots.score_table(table),
        plot=retrain_plots.scores(table, prefix=prefix),
        differences=retrain_plots.difference_table(table),
        candidates=retrain_plots.candidate_table(table, score=score),
        curves=retrain_curves.curves(table, prefix=prefix),
        others=retrain_curves.other_scores(table),
        figures=[one for one in figures if one is not None],
        pictures=retrain_plots.pictures(table),
    )


def _plotly() -> str:
    """Plotly's script, from the installed package."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _policy(*scripts: str) -> str:
    """What a browser may do with the page: run the scripts in it and draw; no request goes out."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _json(content: object) -> str:
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _image(file: str) -> str:
    """A PNG as an address that holds it, so that the page needs no other file."""
    return f"data:image/png;base64,{base64.b64encode(Path(file).read_bytes()).decode()}"


def _image_name(file: str) -> str:
    return Path(file).stem.replace("_", " ")


def _breakable(name: str) -> str:
    """A dotted name with a zero-width space behind each dot, where a narrow column may break it."""
    return name.replace(".", ".\u200b")
