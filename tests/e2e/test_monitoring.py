"""A real Prometheus scrapes a real search: every panel of the boards and every rule is asked of it and is answered."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hico_platform.home import HomePaths
from tests.small import small_store
from tests.unit.test_dashboards import BOARDS, FOLDER, panels, rules

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="Debian's package prometheus is not installed"),
]

LIMIT_S = 300.0
SPACE = """
name: tiny
base:
  model: {hidden_width: 16, projection_width: 8, encoder: gru, layers: 1}
  budget: {epochs: 27, batch_size: 8}
  contrast: {queue_size: 24}
  views: {frames: 16, min_crop_frames: 8}
  evaluation: {linear_epochs: 8}
search:
  contrast.temperature: {low: 0.05, high: 0.5, log: true}
trials: 5
scheduler: {grace_epochs: 3}
stop: {gpu_hours: 5}
"""
# What Ray and DCGM export of a machine with a GPU, with the labels of Ray's source, and a search that is at work there.
# This machine has no GPU, and Ray exports only where ray[default] is installed.
ON_A_GPU = """
hico_search_info{search="on-gpu",protocol="xsub"} 1
hico_trial_info{search="on-gpu",trial="0",node="n",ip="10.0.0.1",pid="7",gpu="GPU-a"} 1
hico_trial_info{search="on-gpu",trial="1",node="n",ip="10.0.0.1",pid="8",gpu="GPU-a"} 1
hico_trial_sequences_per_second{search="on-gpu",trial="0"} 900
hico_workers_lost_total{search="on-gpu",reason="out_of_memory"} 1
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-a"} 9
ray_memory_manager_worker_eviction_total{Name="ray::train",SessionName="s"} 1
ray_node_manager_unexpected_worker_failure_total{Name="ray::train",SessionName="s",Type="Actor"} 1
""" + "".join(
    f'ray_{name}{{ip="10.0.0.1",Version="2",SessionName="s",IsHeadNode="true",RayNodeType="head",{more}}} {value}\n'
    for name, more, value in [
        *((name, "", 20) for name in ("node_cpu_utilization", "node_mem_used", "node_disk_free")),
        *((f"node_network_{way}_speed", "", 20) for way in ("receive", "send")),
        *((f"node_disk_io_{way}_speed", "", 20) for way in ("read", "write")),
        ("node_mem_total", "", 40),
        *(
            (name, 'GpuDeviceName="H200",GpuIndex="0",GpuUuid="GPU-a"', 10)
            for name in ("node_gpus_utilization", "node_gram_used", "node_gpu_power_milliwatts")
        ),
        ("node_gpu_temperature_celsius", 'GpuDeviceName="H200",GpuIndex="0",GpuUuid="GPU-a"', 40),
    ]
) + 'ray_component_rss_bytes{ip="10.0.0.1",Version="2",SessionName="s",Component="ray::train"} 4096\n'  # fmt: skip


class Prometheus:
    """A Prometheus of the test, in a folder of its own."""

    def __init__(self, folder: Path, *, home: Path, exporter: int) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        jobs = {job["job_name"]: job for job in config["scrape_configs"]}
        jobs["hico"]["file_sd_configs"][0] |= {
            "files": [str(HomePaths(home=home).metrics("a").with_name("*.search.json"))],
            "refresh_interval": "1s",
        }
        jobs["ray"]["static_configs"] = [{"targets": [f"127.0.0.1:{exporter}"]}]
        config |= {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(FOLDER / "rules.yaml")],
            "scrape_configs": [jobs["hico"], jobs["ray"]],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
                 f"--web.listen-address=127.0.0.1:{self.port}"],
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def ask(self, path: str, **words: object) -> Any:
        query = urllib.parse.urlencode(words)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}", timeout=30) as answer:
            return json.load(answer)["data"]

    def wait(self, done: Callable[[], object]) -> None:
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if done():
                    return
            time.sleep(0.2)
        raise AssertionError("Prometheus has not got there")


@pytest.fixture(scope="module")
def exporter() -> Iterator[int]:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(ON_A_GPU.encode())

        def log_message(self, *parts: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory, exporter: int) -> Iterator[tuple[Prometheus, float, float]]:
    """A Prometheus that has scraped a search from its beginning to its end, and when the two were."""
    folder = tmp_path_factory.mktemp("monitoring")
    home, data, space = folder / "home", folder / "data", folder / "tiny.yaml"
    small_store(data)
    space.write_text(SPACE)
    (folder / "prometheus").mkdir()
    prometheus = Prometheus(folder / "prometheus", home=home, exporter=exporter)
    try:
        prometheus.wait(lambda: prometheus.ask("query", query="ray_node_gpus_utilization")["result"])
        began_s = time.time()
        done = subprocess.run(
            [sys.executable, "-m", "hico_platform", "search", "--space", space, "--data", data,
             "--protocol", "odd-subjects", "--home", home, "--metrics-port", "0",
             "--metrics-file", folder / "tiny.prom"],
            env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"^metrics: http://127\.0\.0\.1:\d+/metrics$", done.stdout, re.MULTILINE)
        assert 'hico_search_state{search="tiny",state="finished"} 1.0' in (folder / "tiny.prom").read_text()
        yield prometheus, began_s, time.time()
    finally:
        prometheus.process.terminate()
        prometheus.process.wait()


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_has_data(scraped: tuple[Prometheus, float, float], name: str) -> None:
    prometheus, began_s, ended_s = scraped
    empty = []
    for panel in panels(name):
        for target in panel["targets"]:
            query = target["expr"].replace("$search", ".*").replace("$__rate_interval", "5s")
            found = prometheus.ask("query_range", query=query, start=began_s, end=ended_s, step="1s")["result"]
            if not any(value not in {"NaN", "+Inf"} for series in found for _, value in series["values"]):
                empty.append(f"{panel['title']}: {query}")
    assert not empty, "\n".join(empty)


def test_the_last_state_was_scraped_and_is_that_of_the_ledger(scraped: tuple[Prometheus, float, float]) -> None:
    prometheus, _, _ = scraped

    def last(query: str) -> dict[str, float]:
        found = prometheus.ask("query", query=f"last_over_time({query}[10m])")["result"]
        return {one["metric"].get("state", one["metric"].get("epoch", "")): float(one["value"][1]) for one in found}

    assert last('hico_search_state{search="tiny"}')["finished"] == 1
    trials = last('hico_trials{search="tiny"}')
    assert trials["complete"] + trials["pruned"] == 5
    assert last('hico_rung_reached_total{search="tiny"}') == {"3": 5, "9": 5 - trials["pruned"] + last(
        'hico_rung_stopped_total{search="tiny"}')["9"], "27": trials["complete"]}  # fmt: skip


def test_every_rule_runs_on_series_that_there_are_and_a_finished_search_is_told(
    scraped: tuple[Prometheus, float, float],
) -> None:
    prometheus, _, _ = scraped
    loaded = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in loaded} == {rule["alert"] for rule in rules()}
    assert {(rule["name"], rule["health"], rule.get("lastError", "")) for rule in loaded} == {
        (rule["name"], "ok", "") for rule in loaded
    }
    for rule in rules():
        for selector in re.findall(r"\b(?:hico|ray|DCGM)_\w+(?:\{[^}]*\})?", rule["expr"]):
            found = prometheus.ask("query", query=f"last_over_time({selector}[10m])")["result"]
            assert found, f"{rule['alert']}: nothing matches {selector}"
    prometheus.wait(lambda: "HicoSearchDone" in {one["labels"]["alertname"] for one in alerts(prometheus)})
    assert not [one for one in alerts(prometheus) if one["labels"]["alertname"] in {"HicoDriverGone", "HicoDiskLow"}]


def alerts(prometheus: Prometheus) -> list[dict[str, Any]]:
    return prometheus.ask("alerts")["alerts"]
