"""How much of the spread of the score each parameter explains."""

from __future__ import annotations

from hico_platform.report.content import Importance, ReportContent
from hico_platform.report.plot import INK, Plot, Table, axis, labels
from hico_platform.report.search_plots.parallel import varied


def importance(content: ReportContent, *, prefix: str = "") -> Plot | None:
    """How much of the spread of scores each parameter explains, as people named it."""
    found = content.named_importance
    if found is None or not found.shares:
        return None
    names = labels(content)
    ordered = sorted(found.shares.items(), key=lambda item: item[1])
    errors = [round(100 * found.errors.get(name, 0.0), 3) for name, _ in ordered]
    shares = [round(100 * share, 3) for _, share in ordered]
    ends = {
        "type": "data",
        "symmetric": False,
        "array": [round(min(1.96 * error, 100 - share), 3) for share, error in zip(shares, errors, strict=True)],
        "arrayminus": [round(min(1.96 * error, share), 3) for share, error in zip(shares, errors, strict=True)],
        "color": INK,
        "thickness": 1.2,
    }
    return Plot(
        name=f"{prefix}importance",
        label="Importance of the parameters",
        sentence=_importance_sentence(content, found),
        data=[
            {
                "type": "bar",
                "orientation": "h",
                "x": shares,
                "y": [names.get(name, name) for name, _ in ordered],
                "marker": {"color": "var(--complete)"},
                "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>",
                **({"error_x": ends} if found.errors else {}),
            }
        ],
        layout={"xaxis": axis("share of the importance, %", range=[0, 100]), "yaxis": {"automargin": True}},
        height=100 + 34 * len(ordered),
        table=Table(
            headings=["parameter", "share, %", "95 % interval, %"],
            rows=[
                [name, f"{100 * share:.1f}", importance_interval(found, name)]
                for name, share in reversed(ordered)
            ],
        ),
    )  # fmt: skip


def importance_interval(found: Importance, name: str) -> str:
    """The 95 % interval of a share, within 0 and 100; empty where none is known."""
    if name not in found.errors:
        return ""
    share, half = found.shares[name], 1.96 * found.errors[name]
    return f"{100 * max(0.0, share - half):.1f} to {100 * min(1.0, share + half):.1f}"


def _importance_sentence(content: ReportContent, found: Importance) -> str:
    few = " So few trials make it rough." if found.trials < 30 else ""
    bars = (
        f" Bars are 95 % intervals from {found.draws} resamplings of the trials."
        if found.errors
        else " With so many trials it was not resampled."
    )
    return (
        f"How much each parameter sets the best tenth of trials apart from the others (PED-ANOVA), by {content.score} "
        f"at epoch {found.epoch}, which {found.trials} trials reported.{bars}{few}"
    )


def by_importance(content: ReportContent) -> list[str]:
    """The fields that vary, the most important first where that is known."""
    shares = content.named_importance.shares if content.named_importance else {}
    fields = varied(content)
    return sorted(fields, key=lambda field: (-shares.get(field, 0.0), fields.index(field)))
