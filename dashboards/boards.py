"""Writes the Grafana boards: ``python dashboards/boards.py`` after a change; a test checks that they are current."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH = 24
OF = 'search=~"$search"'
"""Selects the searches that are chosen at the top of a board."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel of a board.

    Args:
        title: what it shows.
        queries: PromQL by the legend of its series.
        says: what a reader should know besides.
        unit: Grafana's name of the unit.
        kind: Grafana's kind of panel.
        width: of the 24 columns.
        height: in rows.
        top: of the axis, where it is known.
        stacked: whether series are stacked.
    """

    title: str
    queries: dict[str, str]
    says: str = ""
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    top: float | None = None
    stacked: bool = False

    def as_dict(self, number: int, *, x: int, y: int) -> dict[str, Any]:
        """As Grafana reads it."""
        instant = self.kind in {"stat", "bargauge", "table"}
        defaults: dict[str, Any] = {"unit": self.unit, "min": 0} if self.kind != "table" else {}
        if self.top is not None:
            defaults["max"] = self.top
        if self.kind == "timeseries":
            defaults["custom"] = {
                "fillOpacity": 20 if self.stacked else 0,
                "showPoints": "never",
                "stacking": {"group": "A", "mode": "normal" if self.stacked else "none"},
            }
        return {
            "id": number,
            "title": self.title,
            "description": self.says,
            "type": self.kind,
            "datasource": SOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": _options(self.kind),
            "targets": [
                {
                    "refId": chr(ord("A") + index),
                    "datasource": SOURCE,
                    "expr": query,
                    "legendFormat": legend,
                    "instant": instant,
                    "range": not instant,
                    "format": "table" if self.kind == "table" else "time_series",
                }
                for index, (legend, query) in enumerate(self.queries.items())
            ],
        }


def _options(kind: str) -> dict[str, Any]:
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match kind:
        case "stat":
            return {"reduceOptions": reduced, "colorMode": "value", "graphMode": "none", "textMode": "auto"}
        case "bargauge":
            return {"reduceOptions": reduced, "displayMode": "basic", "orientation": "horizontal"}
        case "table":
            return {"showHeader": True}
        case _:
            return {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board: rows of panels, each row with a heading."""

    uid: str
    title: str
    says: str
    rows: dict[str, Sequence[Panel]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As Grafana reads it."""
        panels: list[dict[str, Any]] = []
        y = 0
        for heading, members in self.rows.items():
            row = {"h": 1, "w": WIDTH, "x": 0, "y": y}
            panels.append(
                {
                    "id": len(panels) + 1,
                    "title": heading,
                    "type": "row",
                    "collapsed": False,
                    "gridPos": row,
                    "panels": [],
                }
            )
            x, y, tallest = 0, y + 1, 0
            for panel in members:
                if x + panel.width > WIDTH:
                    x, y, tallest = 0, y + tallest, 0
                panels.append(panel.as_dict(len(panels) + 1, x=x, y=y))
                x, tallest = x + panel.width, max(tallest, panel.height)
            y += tallest
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.says,
            "tags": ["hico-platform"],
            "timezone": "browser",
            "schemaVersion": 39,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "templating": {"list": [_source(), _searches()]},
            "annotations": {"list": []},
            "links": [],
            "panels": panels,
        }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "multi": False}


def _searches() -> dict[str, Any]:
    return {
        "name": "search",
        "label": "search",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": "label_values(hico_search_info, search)", "refId": "searches"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _quantiles(histogram: str, *quantiles: float, by: str = "search") -> dict[str, str]:
    return {
        f"p{quantile * 100:.0f} {{{{{by}}}}}": (
            f"histogram_quantile({quantile}, sum by (le, {by}) (rate({histogram}_bucket{{{OF}}}[$__rate_interval])))"
        )
        for quantile in quantiles
    }


def _series(title: str, query: str, *, legend: str = "{{search}}", **more: Any) -> Panel:
    """A panel of one query."""
    return Panel(title=title, queries={legend: query}, **more)


def _stat(title: str, query: str, *, legend: str = "{{search}}", unit: str = "short", says: str = "") -> Panel:
    return _series(title, query, legend=legend, kind="stat", width=4, height=4, unit=unit, says=says)


SEARCH = Board(
    uid="hico-search",
    title="HiCo: searches",
    says="Trials, scores, cost and health of running searches (hico-platform search --metrics-port).",
    rows={
        "Now": [
            _stat("State", f"hico_search_state{{{OF}}} == 1", legend="{{search}}: {{state}}"),
            _stat(
                "Trials ended",
                f'sum by (search) (hico_trials{{{OF}, state=~"complete|pruned|failed"}}) '
                f"/ on(search) hico_trials_limit{{{OF}}}",
                unit="percentunit",
                says="Of the trials after which the search ends.",
            ),
            _stat("Best kNN top-1", f"hico_best_knn_top1{{{OF}}}", unit="percentunit"),
            _stat("Time left", f"hico_eta_seconds{{{OF}}}", unit="s", says="None before the first trial has ended."),
            _stat("GPU-hours", f"hico_gpu_seconds_total{{{OF}}} / 3600", unit="none"),
            _stat(
                "GPU budget spent",
                f"hico_gpu_seconds_total{{{OF}}} / on(search) hico_gpu_budget_seconds{{{OF}}}",
                unit="percentunit",
                says="Of stop.gpu_hours, where the space sets it.",
            ),
        ],
        "Trials": [
            _series("Trials by state", f"hico_trials{{{OF}}}", legend="{{search}} {{state}}", stacked=True),
            Panel(
                title="Best score, and kNN of trials at work",
                queries={
                    "best {{search}}": f"hico_best_knn_top1{{{OF}}}",
                    "trial {{trial}}": f"hico_trial_knn_top1{{{OF}}}",
                },
                unit="percentunit",
                says="A series of a trial ends with the trial.",
            ),
            _series(
                "Best by the search's own signal",
                f"hico_best_score{{{OF}}}",
                legend="{{search}} {{signal}}",
                unit="percentunit",
            ),
            _series(
                "Trials that came to each rung",
                f"hico_rung_reached_total{{{OF}}}",
                legend="{{search}} epoch {{epoch}}",
                kind="bargauge",
            ),
            _series(
                "Share that was stopped at each rung",
                f"hico_rung_stopped_total{{{OF}}} / on(search, epoch) (hico_rung_reached_total{{{OF}}} > 0)",
                legend="{{search}} epoch {{epoch}}",
                kind="bargauge",
                unit="percentunit",
                top=1.0,
            ),
            _series(
                "How trials ended, per hour",
                f"3600 * rate(hico_trials_ended_total{{{OF}}}[$__rate_interval])",
                legend="{{search}} {{state}}",
                stacked=True,
            ),
        ],
        "Throughput and cost": [
            Panel(
                title="Sequences per second",
                queries={
                    "all {{search}}": f"hico_sequences_per_second{{{OF}}}",
                    "trial {{trial}}": f"hico_trial_sequences_per_second{{{OF}}}",
                },
            ),
            _series(
                "Epochs per hour",
                f"3600 * rate(hico_epochs_total{{{OF}}}[$__rate_interval])",
                says="As trials report them: after rungs, not after each epoch.",
            ),
            Panel(title="Seconds of an epoch", queries=_quantiles("hico_epoch_seconds", 0.5, 0.9), unit="s"),
            Panel(
                title="GPU-hours against the budget",
                queries={
                    "spent {{search}}": f"hico_gpu_seconds_total{{{OF}}} / 3600",
                    "budget {{search}}": f"hico_gpu_budget_seconds{{{OF}}} / 3600",
                },
            ),
            _series(
                "Share of the workers' time that is not training",
                f"clamp_min(1 - rate(hico_epoch_seconds_sum{{{OF}}}[$__rate_interval]) "
                f"/ on(search) rate(hico_busy_seconds_total{{{OF}}}[$__rate_interval]), 0)",
                unit="percentunit",
                top=1.0,
                says="Validation, downstream evaluation, checkpoints, the start of workers, and waiting.",
            ),
            _series("Complete trials since the best", f"hico_trials_since_best{{{OF}}}"),
        ],
        "Workers": [
            _series(
                "Trials that were handed out again, by reason",
                f"hico_retries_total{{{OF}}}",
                legend="{{search}} {{reason}}",
                stacked=True,
            ),
            _series(
                "Workers that were lost, by reason",
                f"hico_workers_lost_total{{{OF}}}",
                legend="{{search}} {{reason}}",
                stacked=True,
            ),
            _series(
                "Seconds since a trial's last heartbeat",
                f"time() - hico_trial_last_heartbeat_timestamp_seconds{{{OF}}}",
                legend="trial {{trial}}",
                unit="s",
                says="A worker that is silent for too long is killed (resources.silence_minutes).",
            ),
            _series("Machines that get no further trial", f"hico_machines_excluded{{{OF}}}"),
            _series(
                "Trials at work",
                f"hico_trial_info{{{OF}}} * on(search, trial) group_left() hico_trial_epoch{{{OF}}}",
                legend="",
                kind="table",
                width=16,
                says="Value is the epoch of the last report.",
            ),
        ],
        "Tracking, ledger and checkpoints": [
            _series(
                "Waiting for the tracking store",
                f"hico_tracking_waiting{{{OF}}}",
                legend="{{search}} {{queue}}",
                says="The search goes on; what does not fit is read from the ledger later.",
            ),
            _series("Tracking is behind by", f"hico_tracking_behind_seconds{{{OF}}}", unit="s"),
            Panel(
                title="Tracking store away, writes refused",
                queries={
                    "away {{search}}": f"hico_tracking_away{{{OF}}}",
                    "refused {{search}}": f"hico_tracking_refused_total{{{OF}}}",
                },
            ),
            Panel(title="Write to the ledger", queries=_quantiles("hico_ledger_write_seconds", 0.5, 0.99), unit="s"),
            Panel(
                title="Writing a checkpoint", queries=_quantiles("hico_checkpoint_write_seconds", 0.5, 0.99), unit="s"
            ),
            Panel(
                title="Bytes of checkpoints written",
                queries={
                    "in all {{search}}": f"hico_checkpoint_bytes_sum{{{OF}}}",
                    "of one {{search}}": f"hico_checkpoint_bytes_sum{{{OF}}} / hico_checkpoint_bytes_count{{{OF}}}",
                },
                unit="bytes",
            ),
        ],
        "The driver": [
            Panel(
                title="Disk of the home",
                queries={
                    "free {{search}}": f"hico_disk_free_bytes{{{OF}}}",
                    "size {{search}}": f"hico_disk_size_bytes{{{OF}}}",
                },
                unit="bytes",
            ),
            _series("Memory", f"hico_driver_resident_memory_bytes{{{OF}}}", unit="bytes"),
            _series(
                "Seconds since the driver went through its loop",
                f"time() - hico_driver_heartbeat_timestamp_seconds{{{OF}}}",
                unit="s",
            ),
            _series("CPU", f"rate(hico_driver_cpu_seconds_total{{{OF}}}[$__rate_interval])", unit="percentunit"),
            Panel(
                title="Open files",
                queries={
                    "open {{search}}": f"hico_driver_open_files{{{OF}}}",
                    "limit {{search}}": f"hico_driver_open_files_limit{{{OF}}}",
                },
            ),
        ],
    },
)

_TRIAL_ON_A_GPU = (
    f'label_replace(hico_trial_info{{{OF}, gpu!=""}}, "GpuUuid", "$1", "gpu", "(.*)") * on(GpuUuid) group_left() '
)


def _of_machines(query: str) -> str:
    """Only of machines on which a trial of the chosen searches is at work."""
    return f"{query} and on(ip) hico_trial_info{{{OF}}}"


CLUSTER = Board(
    uid="hico-cluster",
    title="HiCo: machines and GPUs",
    says="Ray's series of nodes, GPUs and lost processes, joined with the trials that are at work there.",
    rows={
        "Trials and GPUs": [
            _series(
                "Utilisation of a trial's GPU",
                f"{_TRIAL_ON_A_GPU}ray_node_gpus_utilization",
                legend="trial {{trial}} on {{node}}",
                unit="percent",
                top=100.0,
                says="Trials that share a GPU show the same.",
            ),
            _series(
                "Memory of a trial's GPU",
                f"{_TRIAL_ON_A_GPU}(ray_node_gram_used * 1048576)",
                legend="trial {{trial}} on {{node}}",
                unit="bytes",
            ),
            _series(
                "Trials on each machine",
                f"count by (node) (count by (node, search, trial) (hico_trial_info{{{OF}}}))",
                legend="{{node}}",
                stacked=True,
            ),
            _series(
                "Power of a trial's GPU",
                f"{_TRIAL_ON_A_GPU}ray_node_gpu_power_milliwatts / 1000",
                legend="trial {{trial}} on {{node}}",
                unit="watt",
            ),
            _series(
                "Temperature of a trial's GPU",
                f"{_TRIAL_ON_A_GPU}ray_node_gpu_temperature_celsius",
                legend="trial {{trial}} on {{node}}",
                unit="celsius",
            ),
            _series(
                "Sequences per second and per cent of its GPU",
                f"hico_trial_sequences_per_second{{{OF}}} / on(search, trial) "
                f"(max by (search, trial) ({_TRIAL_ON_A_GPU}ray_node_gpus_utilization) > 0)",
                legend="trial {{trial}}",
                says="A trial with less than others of its size is held up by something else than its GPU.",
            ),
        ],
        "Machines with trials": [
            _series("CPU", _of_machines("ray_node_cpu_utilization"), legend="{{ip}}", unit="percent", top=100.0),
            _series(
                "Memory used",
                _of_machines("ray_node_mem_used / on(ip, SessionName) ray_node_mem_total"),
                legend="{{ip}}",
                unit="percentunit",
                top=1.0,
                says="Ray kills workers before it is full.",
            ),
            _series("Disk free", _of_machines("ray_node_disk_free"), legend="{{ip}}", unit="bytes"),
            Panel(
                title="Network",
                queries={
                    "in {{ip}}": _of_machines("ray_node_network_receive_speed"),
                    "out {{ip}}": _of_machines("ray_node_network_send_speed"),
                },
                unit="Bps",
            ),
            Panel(
                title="Disk read and written",
                queries={
                    "read {{ip}}": _of_machines("ray_node_disk_io_read_speed"),
                    "written {{ip}}": _of_machines("ray_node_disk_io_write_speed"),
                },
                unit="Bps",
            ),
            _series(
                "Memory of workers",
                _of_machines('ray_component_rss_bytes{Component=~"ray::.*"}'),
                legend="{{Component}} {{ip}}",
                unit="bytes",
                says="Ray adds up the workers of a machine by their name.",
            ),
        ],
        "What went wrong": [
            _series(
                "Workers that Ray killed because memory ran out",
                "ray_memory_manager_worker_eviction_total",
                legend="{{Name}} {{instance}}",
            ),
            _series(
                "Workers that failed unexpectedly",
                "ray_node_manager_unexpected_worker_failure_total",
                legend="{{Name}} {{instance}}",
            ),
            _series(
                "Workers that trials lost",
                f"hico_workers_lost_total{{{OF}}}",
                legend="{{search}} {{reason}}",
                stacked=True,
            ),
        ],
    },
)

SCIENCE = Board(
    uid="hico-science",
    title="HiCo: losses and collapse",
    says="What trials at work learn: losses by level, the spread of their features, the weights that they try.",
    rows={
        "Losses": [
            _series("Weighted loss", f"hico_trial_loss{{{OF}}}", legend="trial {{trial}}", width=12),
            _series(
                "Loss by level, mean of the trials at work",
                f"avg by (search, level) (hico_trial_level_loss{{{OF}}})",
                legend="{{search}} {{level}}",
                width=12,
            ),
            *(
                _series(
                    f"Loss of the {level} level",
                    f'hico_trial_level_loss{{{OF}, level="{level}"}}',
                    legend="trial {{trial}}",
                    width=6,
                )
                for level in ("clip", "part", "domain", "instance")
            ),
        ],
        "Signs of collapse": [
            _series(
                "Validation kNN top-1",
                f"hico_trial_knn_top1{{{OF}}}",
                legend="trial {{trial}}",
                unit="percentunit",
                width=12,
                says="An encoder whose features are all alike scores as often as its commonest class occurs.",
            ),
            _series(
                "Spread of features",
                f"hico_trial_feature_spread{{{OF}}}",
                legend="trial {{trial}}",
                width=12,
                top=1.0,
                says="1 where features point in all directions alike, 0 where all are the same: a collapsed encoder.",
            ),
        ],
        "Level weights at work": [
            _series(
                "Share of the loss's weight",
                f"hico_trial_level_weight{{{OF}}} / on(search, trial) group_left() "
                f"sum by (search, trial) (hico_trial_level_weight{{{OF}}})",
                legend="trial {{trial}} {{level}}",
                kind="bargauge",
                unit="percentunit",
                width=12,
                top=1.0,
            ),
            _series(
                "Share of the loss by level",
                f"hico_trial_level_weight{{{OF}}} * on(search, trial, level) hico_trial_level_loss{{{OF}}} "
                f"/ on(search, trial) group_left() hico_trial_loss{{{OF}}}",
                legend="trial {{trial}} {{level}}",
                kind="bargauge",
                unit="percentunit",
                width=12,
                top=1.0,
            ),
        ],
    },
)

BOARDS = {"hico_search.json": SEARCH, "hico_cluster.json": CLUSTER, "hico_science.json": SCIENCE}


def written(board: Board) -> str:
    """The text of a board's file."""
    return json.dumps(board.as_dict(), indent=1) + "\n"


if __name__ == "__main__":
    for name, board in BOARDS.items():
        (HERE / name).write_text(written(board), encoding="utf-8")
