"""The boards, the rules and what configures Prometheus and Grafana, without running either."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "dashboards"
BOARDS = ["hico_search.json", "hico_cluster.json", "hico_science.json"]
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's package prometheus has promtool")

# Ray's series of processes come from its C++ core, which holds their names without prefix and suffix.
OF_RAYS_CORE = {"ray_memory_manager_worker_eviction_total", "ray_node_manager_unexpected_worker_failure_total"}


def board(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / name).read_text())


def panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in board(name)["panels"] if panel["type"] != "row"]


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    for name in BOARDS:
        yield from (target["expr"] for panel in panels(name) for target in panel["targets"])


def test_the_boards_are_what_the_script_writes() -> None:
    script = runpy.run_path(str(FOLDER / "boards.py"))
    assert list(script["BOARDS"]) == BOARDS
    for name, one in script["BOARDS"].items():
        assert (FOLDER / name).read_text() == script["written"](one), f"python dashboards/boards.py writes {name} anew"


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_a_place_of_their_own_and_a_source_that_is_chosen(name: str) -> None:
    whole = board(name)
    assert [one["name"] for one in whole["templating"]["list"]] == ["source", "search"]
    ids = [panel["id"] for panel in whole["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in whole["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == panel["datasource"]["uid"] == "${source}"
    titles = [panel["title"] for panel in whole["panels"]]
    assert len(set(titles)) == len(titles)


def test_every_series_that_is_asked_for_is_one_of_the_page_or_of_ray() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    own = set(re.findall(r"`(hico_\w+)`", page))
    own |= {f"{name}_{part}" for name in own for part in ("bucket", "sum", "count")}
    asked = {name for text in expressions() for name in re.findall(r"\b(?:hico|ray)_\w+", text)}
    source = (Path(ray.__file__).parent / "dashboard/modules/reporter/reporter_agent.py").read_text()
    rays = {f"ray_{name}" for name in re.findall(r'^    "(\w+)": Gauge\(', source, re.MULTILINE)}
    assert {name for name in asked if name.startswith("hico_")} <= own
    assert {name for name in asked if name.startswith("ray_")} - OF_RAYS_CORE <= rays
    consts = (Path(ray.__file__).parent / "dashboard/consts.py").read_text()
    assert all(f'"{label}"' in consts for label in ("ip", "GpuUuid", "Component", "SessionName")), "what joins them"


def test_rays_core_has_its_series() -> None:
    core = (Path(ray.__file__).parent / "core/src/ray/raylet/raylet").read_bytes()
    for name in OF_RAYS_CORE:
        assert name.removeprefix("ray_").removesuffix("_total").encode() in core, name


def test_every_alert_is_explained() -> None:
    page = (FOLDER / "README.md").read_text()
    names = [rule["alert"] for rule in rules()]
    assert sorted(re.findall(r"`(Hico\w+)`", page)) == sorted(names)
    for rule in rules():
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}


@pytest.mark.slow
@needs_promtool
@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "--lint-fatal", "dashboards/rules.yaml"),
        ("check", "config", "dashboards/prometheus.yml"),
        ("test", "rules", "tests/rules/search.yaml"),
    ],
    ids=["rules", "config", "alerts"],
)
def test_promtool_agrees(words: tuple[str, ...]) -> None:
    done = subprocess.run(["promtool", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_grafana_is_given_names_what_is_there() -> None:
    (source,) = yaml.safe_load((FOLDER / "provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/hico.yaml").read_text())["providers"]
    assert (source["type"], provider["type"]) == ("prometheus", "file")
    assert provider["options"]["path"] in (FOLDER / "README.md").read_text()
    kinds = [one["kind"] for one in yaml.safe_load_all((FOLDER / "podmonitor.yaml").read_text())]
    assert kinds == ["PodMonitor", "PodMonitor"]
