"""The cluster section: what a script or a manifest could not take is refused, with its place and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.config.space import load_space
from hico_platform.errors import ConfigError

SPACE = """name: mine
search:
  contrast.temperature: {low: 0.05, high: 0.5}
cluster:
"""


def problem(tmp_path: Path, cluster: str, more: str = "") -> str:
    file = tmp_path / "mine.yaml"
    file.write_text(SPACE + cluster + more)
    with pytest.raises(ConfigError) as caught:
        load_space(file)
    return str(caught.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ("  nodes: 0\n", "mine.yaml:5: cluster.nodes: expected at least 1, got 0; choose another value"),
        ("  gpu: 4\n", "mine.yaml:5: cluster.gpu: expected a known key, got 'gpu'; did you mean gpus?"),
        ("  hours: 12:00\n", "mine.yaml:5: cluster.hours: expected a number, got '12:00'"),
        ("  home: hico\n", "mine.yaml:5: cluster.home: expected an absolute path without %"),
        ("  home: '/a$(id)\"'\n", "cluster.home: expected an absolute path without %, quotes"),
        ("  slurm: {partition: 'gpu; rm -rf /'}\n", "mine.yaml:5: cluster.slurm.partition: expected a name as Slurm"),
        ('  slurm: {account: "a\\n#SBATCH --uid=0"}\n', "cluster.slurm.account: expected a name as Slurm has it"),
        (
            "  slurm: {options: ['--wrap=id']}\n",
            "cluster.slurm.options[0]: expected an option that the script does not",
        ),
        ('  slurm: {options: ["--x=1\\nid"]}\n', "cluster.slurm.options[0]: expected an option of sbatch on one line"),
        ('  slurm: {setup: ["a\\nb"]}\n', "cluster.slurm.setup[0]: expected one line of shell"),
        (
            "  slurm: {setup: ['export PGPASSWORD=hunter22']}\n",
            "cluster.slurm.setup[0]: expected a line without a secret",
        ),
        ("  slurm: {warn_s: 5}\n", "cluster.slurm.warn_s: expected at least 30, got 5"),
        ("  kuberay: {namespace: Group}\n", "cluster.kuberay.namespace: expected a name of small letters"),
        (
            "  slurm: {options: [--comment=token=hunter22]}\n",
            "cluster.slurm.options[0]: expected an option without a secret",
        ),
        ("  kuberay: {secret: My_secret}\n", "cluster.kuberay.secret: expected a name as Kubernetes has it"),
        ("  kuberay: {image: 'a b'}\n", "cluster.kuberay.image: expected the name of an image"),
        ("  kuberay: {redis: ':secret@redis:1'}\n", "cluster.kuberay.redis: expected an address of Redis without a"),
        (
            "  storage: postgresql+psycopg://me:hunter22@db/hico\n",
            "cluster.storage: expected an address without a passw",
        ),
        ("  tracking: mlflow\n", "cluster.tracking: expected an address, such as https://HOST, got 'mlflow'"),
    ],
)
def test_a_value_that_cannot_be_taken_is_named_with_its_line(tmp_path: Path, cluster: str, said: str) -> None:
    message = problem(tmp_path, cluster)
    assert said in message
    assert "hunter22" not in message


def test_a_trial_fits_on_a_machine(tmp_path: Path) -> None:
    message = problem(tmp_path, "  cpus: 4\n", "resources: {cpus: 8, gpus: auto}\n")
    assert "mine.yaml:6: resources.cpus: expected at most cluster.cpus 4, since a trial runs on one machine" in message
    assert "mine.yaml:6: resources.gpus: expected at most cluster.gpus 0" in message


def test_a_space_may_extend_a_cluster(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(
        SPACE + "  cpus: 16\n  slurm: {partition: gpu, options: [--constraint=ib]}\n"
    )
    (tmp_path / "mine.yaml").write_text(
        "extends: cluster.yaml\ncluster: {nodes: 4, kuberay: {node_selector: {a.b/c: d}, storage_class: nfs.csi.io}}\n"
    )
    cluster = load_space(tmp_path / "mine.yaml", assignments=["cluster.gpus=2"]).settings.cluster
    assert (cluster.nodes, cluster.cpus, cluster.gpus) == (4, 16, 2)
    assert cluster.slurm.partition == "gpu"
    assert cluster.slurm.options == ("--constraint=ib",)
    assert cluster.kuberay.node_selector == {"a.b/c": "d"}
