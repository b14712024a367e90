"""Draws docs/performance.png from the figures in performance.csv: python benchmarks/plot_performance.py."""

import csv
from pathlib import Path

from matplotlib.figure import Figure

FIGURES = Path(__file__).with_name("performance.csv")
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "performance.png"
COLOURS = {"GRU": "tab:blue", "LSTM": "tab:orange", "Transformer": "tab:green"}
TITLES = {"CPU": "2 cores, AMD Zen 4", "GPU": "NVIDIA H100"}


def main() -> None:
    with FIGURES.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    figure = Figure(figsize=(9, 3.4))
    for axis, device in zip(figure.subplots(1, 2), TITLES, strict=True):
        here = [row for row in rows if row["device"] == device]
        groups = list(dict.fromkeys((row["width"], row["precision"]) for row in here))
        for offset, (encoder, colour) in enumerate(COLOURS.items()):
            ratios = [float(row["ratio"]) for group in groups for row in here
                      if row["encoder"] == encoder and (row["width"], row["precision"]) == group]  # fmt: skip
            places = [index + 0.27 * (offset - 1) for index in range(len(groups))]
            bars = axis.bar(places, ratios, width=0.25, color=colour, label=encoder)
            axis.bar_label(bars, fmt="%.1f", fontsize=7)
        axis.axhline(1, color="black", linewidth=0.8, linestyle="--")
        axis.set_xticks(range(len(groups)), [f"{precision}, D {width}" for width, precision in groups])
        axis.set_title(TITLES[device], fontsize=10)
        axis.set_ylabel("times the released code's speed")
        axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8, loc="upper left")
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=120)


if __name__ == "__main__":
    main()
