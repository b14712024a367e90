"""A space file as a job: it depends on no file of the folder that it was submitted from."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hico_platform.commands.submit import (
    not_here,
    search_job,
    search_on_kubernetes,
    submit_to_kuberay,
    submit_to_slurm,
)
from hico_platform.config.space import CheckedSpace, load_space
from hico_platform.errors import UsageError
from tests.unit.jobs.test_program import put


def space_in(folder: Path, more: str = "", upper: str = "") -> CheckedSpace:
    (folder / "base.yaml").write_text(f"search:\n  contrast.temperature: {{low: 0.05, high: 0.5}}\ntrials: 7\n{more}")
    (folder / "mine.yaml").write_text(f"extends: base.yaml\n{upper}")
    return load_space(folder / "mine.yaml", assignments=["trials=9"])


def test_the_space_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space = space_in(tmp_path, "transfer: other\nprotocol: rule.yaml\n")
    job = search_job(space, name="named", home="/h", data="data")
    (tmp_path / "again.yaml").write_text(job.space_text)
    (tmp_path / "base.yaml").unlink()
    again = load_space(tmp_path / "again.yaml")
    assert (again.name, again.settings.trials) == ("named", 9)
    assert again.settings.transfer == str(tmp_path / "other")
    assert again.settings.protocol == str(tmp_path / "rule.yaml")
    assert job.data == str(tmp_path / "data")
    assert search_job(space, name="a", home="/h", data="s3://bucket/a").data == "s3://bucket/a"
    assert yaml.safe_load(job.space_text)["search"] == {"contrast": {"temperature": {"low": 0.05, "high": 0.5}}}


def test_what_cannot_be_written_into_a_job_is_refused(tmp_path: Path) -> None:
    space = space_in(tmp_path)
    with pytest.raises(UsageError, match="--home: expected an absolute path without %"):
        search_job(space, name="a", home='/h"\n#SBATCH --uid=0', data=None)
    told = space_in(tmp_path, upper="notify: ['https://hooks.slack.com/services/T0/B0/hunter22']\n")
    with pytest.raises(UsageError, match="notify") as caught:
        search_job(told, name="a", home="/h", data=None)
    assert "hunter22" not in str(caught.value)
    search_job(space_in(tmp_path, upper="notify: [env:NOT_SET_HERE]\n"), name="a", home="/h", data=None)


def test_what_is_not_on_this_machine_is_said(tmp_path: Path) -> None:
    space = space_in(tmp_path, upper="cluster: {slurm: {secrets_file: /nowhere/env}}\n")
    job = search_job(space, name="a", home="/h", data=str(tmp_path / "data"))
    assert [line.split(":")[0] for line in not_here(job)] == ["data", "slurm.secrets_file"]
    (tmp_path / "data").mkdir()
    assert [line.split(":")[0] for line in not_here(job)] == ["slurm.secrets_file"]


def test_a_job_of_slurm_says_how_to_watch_and_to_stop_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, 'cat > "$(dirname "$0")/script"; echo 42')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    done = submit_to_slurm(search_job(space_in(tmp_path), name="mine", home=tmp_path, data=None))
    assert done.as_dict() == {
        "job": "42",
        "log": f"{tmp_path}/jobs/hico-mine-42.log",
        "watch": ["squeue --job 42", f"hico-platform status mine --watch --home {tmp_path}"],
        "stop": "scancel --batch --signal=TERM 42",
    }
    assert (tmp_path / "jobs").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "script").read_text().startswith("#!/bin/bash -l")


def test_a_pod_sees_its_volume_and_addresses_alone(tmp_path: Path) -> None:
    image = "cluster: {kuberay: {image: hico:1, namespace: vision}}\n"
    space = space_in(tmp_path, upper=f"transfer: other\nprotocol: rule.yaml\n{image}")
    with pytest.raises(UsageError) as caught:
        search_on_kubernetes(space, name="a", home="/hico", data="data", file="mine.yaml")
    assert [problem.field for problem in caught.value.problems] == ["--data", "transfer", "protocol"]
    assert "expected an address, or a path in the home /hico" in str(caught.value)
    with pytest.raises(UsageError, match=r"mine\.yaml: cluster\.kuberay\.image: expected an image with"):
        search_on_kubernetes(space_in(tmp_path), name="a", home="/hico", data=None, file="mine.yaml")
    job = search_on_kubernetes(
        space_in(tmp_path, upper=image), name="a", home="/hico", data="/hico/a", file="mine.yaml"
    )
    assert (job.home, job.data) == ("/hico", "/hico/a")


def test_a_rayjob_says_how_to_watch_and_to_remove_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, 'cat > "$(dirname "$0")/manifest"', "kubectl")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    space = space_in(tmp_path, upper="cluster: {kuberay: {image: hico:1, namespace: vision}}\n")
    job = search_on_kubernetes(space, name="mine", home="/hico", data=None, file="mine.yaml")
    done = submit_to_kuberay(job, unique="a1b2c3")
    assert done.job == "rayjob/hico-mine-a1b2c3"
    assert done.log == "kubectl logs --follow job/hico-mine-a1b2c3 --namespace vision"
    assert done.stop.startswith(
        "kubectl delete rayjob,configmap,networkpolicy --selector hico-platform/job=hico-mine-a1b2c3"
    )
    kinds = [part["kind"] for part in yaml.safe_load_all((tmp_path / "manifest").read_text())]
    assert kinds == ["ConfigMap", "NetworkPolicy", "NetworkPolicy", "RayJob"]
