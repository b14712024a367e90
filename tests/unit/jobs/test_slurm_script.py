"""The script for sbatch: what it asks of Slurm, and that no value of a space is anything but a value in it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hico_platform.jobs.slurm_script import slurm_log, slurm_script
from tests.unit.jobs.test_job import job_of

HOSTILE = "/tmp/a b;touch $(echo owned)`id`&|<>!*?{}[]~#"


def options(script: str) -> list[str]:
    return [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH ")]


def parses(script: str) -> bool:
    return subprocess.run(["bash", "-n"], input=script.encode(), check=False).returncode == 0


def test_what_is_asked_of_slurm() -> None:
    cluster = {
        "nodes": 4, "cpus": 16, "gpus": 4, "memory_gib": 64, "hours": 36.5,
        "slurm": {
            "partition": "gpu", "account": "vision", "qos": "long", "gpu_type": "a100", "options": ["--constraint=ib"],
        },
    }  # fmt: skip
    script = slurm_script(job_of(cluster))
    assert options(script) == [
        "--job-name=hico-mine", "--partition=gpu", "--account=vision", "--qos=long", "--nodes=4",
        "--ntasks-per-node=1", "--cpus-per-task=16", "--gpus-per-node=a100:4", "--mem=65536M", "--time=1-12:30:00",
        "--no-kill", "--requeue", "--signal=B:USR1@120", "--open-mode=append", "--export=NONE", '--chdir="/h"',
        '--output="/h/jobs/hico-mine-%j.log"', "--constraint=ib",
    ]  # fmt: skip
    assert script.startswith("#!/bin/bash -l\n")
    assert parses(script)


def test_one_node_needs_no_cluster_and_several_have_a_token_and_certificates() -> None:
    one, four = slurm_script(job_of()), slurm_script(job_of({"nodes": 4}))
    assert not [word for word in ("ray start", "srun --nodes", "openssl", "--no-kill", "--address") if word in one]
    assert '--cpus "$cpus"' in one
    assert "RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$work/token" in four
    assert "export RAY_USE_TLS=1" in four
    assert four.index("umask 077") < four.index('> "$work/token"')
    assert "tls=''" in slurm_script(job_of({"nodes": 2, "slurm": {"tls": False}}))
    assert "days=400" in four
    assert "days=3" in slurm_script(job_of({"nodes": 2, "hours": 20}))


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_hostile_value_is_a_value(nodes: int) -> None:
    text = f"name: mine\ndescription: \"'\"\nEND\ntouch owned\n$(touch owned)\nEND_\nx: '{HOSTILE}'\n"
    script = slurm_script(job_of({"nodes": nodes}, data=HOSTILE, home=HOSTILE, space_text=text))
    assert parses(script)
    assert f"--data '{HOSTILE}'" in script
    assert f"home='{HOSTILE}'\n" in script
    assert f"<<'END__'\n{text}END__\n" in script
    assert script.count("\nEND__\n") == 1


def test_addresses_and_secrets_are_the_drivers_alone() -> None:
    script = slurm_script(
        job_of({
            "nodes": 2, "storage": "postgresql+psycopg://hico@db/hico?service=hico", "tracking": "https://mlflow.example.org",
            "slurm": {"secrets_file": "/h/secrets.env", "metrics": "/var/lib/node exporter"},
        })
    )  # fmt: skip
    driver = script[script.index("(  # in a shell of its own") :]
    assert 'export HICO_STORAGE="$hico_storage"' in driver
    assert 'export MLFLOW_TRACKING_URI="$mlflow_tracking_uri"' in driver
    assert '. "$secrets"' in driver
    assert "export HICO_STORAGE" not in script[: -len(driver)]
    assert "hico_storage='postgresql+psycopg://hico@db/hico?service=hico'\n" in script
    assert "metrics='/var/lib/node exporter'\n" in script


def test_setup_comes_before_unset_variables_are_errors() -> None:
    script = slurm_script(job_of({"slurm": {"setup": ["module load cuda/12.4", "source $HOME/venv/bin/activate"]}}))
    assert "\nmodule load cuda/12.4\nsource $HOME/venv/bin/activate\nset -u\n" in script


def test_a_minute_is_the_shortest_time() -> None:
    assert "--time=0-00:01:00" in options(slurm_script(job_of({"hours": 0.001})))


class Cluster:
    """Stand-ins for the programs that a script calls, in a folder for PATH; each says what it was called with."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.said = folder, folder / "home", folder / "said"
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.home.mkdir()
        self.put("scontrol", 'echo "scontrol $*" >> "$SAID"')

    def put(self, name: str, body: str) -> None:
        file = self.programs / name
        file.write_text(f"#!/bin/bash\n{body}\n")
        file.chmod(0o755)

    def run(self, cluster: dict[str, object] | None = None, *, restarts: int = 0) -> subprocess.CompletedProcess[str]:
        script = slurm_script(job_of(cluster, home=str(self.home)))
        environment = {
            "PATH": f"{self.programs}:/usr/bin:/bin", "SAID": str(self.said), "SLURM_JOB_ID": "7",
            "SLURM_JOB_NODELIST": "n1", "SLURM_RESTART_COUNT": str(restarts), "HOME": str(self.folder),
        }  # fmt: skip
        return subprocess.run(
            ["bash"], input=script, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    def heard(self) -> str:
        return self.said.read_text() if self.said.exists() else ""


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    return Cluster(tmp_path)


IN_TIME = 'echo "search $*" >> "$SAID"; grep -q "name: mine" "$HOME/home/jobs/job-7/space.yaml" && exit 0'
INTERRUPTED = "trap 'exit 130' TERM; kill -USR1 $PPID; for i in {1..100}; do sleep 0.1; done"


def test_a_search_that_is_done_is_the_end_of_its_job(cluster: Cluster) -> None:
    cluster.put("hico-platform", IN_TIME)
    done = cluster.run()
    assert done.returncode == 0, done.stderr
    assert cluster.heard() == (
        f"search search --resume --name mine --home {cluster.home} --space {cluster.home}/jobs/job-7/space.yaml "
        f"--metrics-file {cluster.home}/metrics/mine.prom --cpus 8\n"
    )
    assert not list((cluster.home / "jobs").iterdir())


def test_an_interrupted_search_goes_back_into_the_queue(cluster: Cluster) -> None:
    cluster.put("hico-platform", INTERRUPTED)
    done = cluster.run()
    assert done.returncode == 0, done.stderr
    assert cluster.heard() == "scontrol requeue 7\n"
    assert "the time is nearly up: the search saves" in done.stdout


def test_a_job_that_never_gets_done_ends(cluster: Cluster) -> None:
    cluster.put("hico-platform", INTERRUPTED)
    done = cluster.run({"slurm": {"requeues": 2}}, restarts=2)
    assert done.returncode == 1
    assert "not done after 2 requeues" in done.stderr
    assert cluster.heard() == ""


def test_slurm_may_refuse_to_requeue(cluster: Cluster) -> None:
    cluster.put("hico-platform", INTERRUPTED)
    cluster.put("scontrol", "echo 'Requested operation is presently disabled' >&2; exit 1")
    done = cluster.run()
    assert done.returncode == 1
    assert "submit it again to go on" in done.stderr


def test_a_search_that_failed_is_not_run_again(cluster: Cluster) -> None:
    cluster.put("hico-platform", "exit 3")
    assert cluster.run().returncode == 3
    cluster.put("hico-platform", f"{INTERRUPTED.replace('exit 130', 'exit 1')}")
    assert cluster.run().returncode == 1
    assert cluster.heard() == ""


def test_secrets_that_others_could_read_are_refused(cluster: Cluster) -> None:
    secrets = cluster.folder / "secrets.env"
    secrets.write_text("PGPASSWORD=$(touch owned)x\n")
    secrets.chmod(0o644)
    cluster.put("hico-platform", IN_TIME)
    done = cluster.run({"slurm": {"secrets_file": str(secrets)}})
    assert done.returncode == 1
    assert f"expected {secrets} to be your own file of mode 600" in done.stderr
    secrets.chmod(0o600)
    cluster.put("hico-platform", 'echo "$PGPASSWORD" >> "$SAID"')
    secrets.write_text("PGPASSWORD=hunter22\n")
    assert cluster.run({"slurm": {"secrets_file": str(secrets)}}).returncode == 0
    assert cluster.heard() == "hunter22\n"


def test_the_log_is_in_the_home() -> None:
    assert slurm_log(job_of(home="/h/"), 7) == "/h/jobs/hico-mine-7.log"
