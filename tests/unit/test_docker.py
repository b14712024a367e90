"""What can be checked of docker/ without an engine: that it is whole, and that it is closed by default."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
LONG_RUNNING = ("postgres", "mlflow", "head", "worker")
PASSWORDS = {"postgres_superuser", "hico_database", "mlflow_database", "mlflow_auth", "mlflow_credentials"}
BY_DIGEST = re.compile(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    return compose["services"]


def secrets_of(service: dict[str, Any]) -> set[str]:
    return {one if isinstance(one, str) else one["source"] for one in service.get("secrets", ())}


def test_ports_are_published_on_the_loopback_address_alone(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_service_is_closed_and_limited(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["init"] is True, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert "privileged" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"mem_limit", "cpus", "pids_limit"} <= set(service), name
    assert all("healthcheck" in services[name] for name in LONG_RUNNING)
    assert {name for name, one in services.items() if one["restart"] == "unless-stopped"} == set(LONG_RUNNING)


def test_images_are_named_by_digest_or_built_of_a_named_commit(services: dict[str, Any]) -> None:
    for name, service in services.items():
        image = service["image"]
        assert BY_DIGEST.fullmatch(image) or image.startswith("hico-platform:${HICO_COMMIT:?"), name
        if "build" in service:
            assert service["build"]["args"]["HICO_COMMIT"].startswith("${HICO_COMMIT:?"), name
    dockerfile = (DOCKER / "Dockerfile").read_text()
    (base,) = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert BY_DIGEST.fullmatch(base)
    assert re.search(r'^RUN test -n "\$HICO_COMMIT"', dockerfile, re.MULTILINE), "no image without its commit"


def test_secrets_are_files_and_no_variable_holds_one(compose: dict[str, Any]) -> None:
    """Variables may name a secret's file, nothing else that sounds like one."""
    for name, service in compose["services"].items():
        assert secrets_of(service) <= set(compose["secrets"]), name
        for key, value in service.get("environment", {}).items():
            if re.search("PASS|TOKEN|SECRET|KEY|SERVICEFILE|AUTH_CONFIG", key):
                assert str(value).startswith("/run/secrets"), f"{name}: {key}"
    assert all(list(secret) == ["file"] for secret in compose["secrets"].values())


def test_no_address_holds_a_password() -> None:
    for file in ("compose.yaml", "compose.s3.yaml", "secrets.sh"):
        addresses = re.findall(r"\w+(?:\+\w+)?://[^\s\"']+", (DOCKER / file).read_text())
        assert addresses
        assert not [address for address in addresses if re.search(r"://[^/@:]+:[^/@]+@", address)]


def test_trials_get_neither_passwords_nor_the_networks_of_stores(services: dict[str, Any]) -> None:
    for name in ("head", "worker"):
        assert secrets_of(services[name]) == {"ray_token"}
        assert services[name]["networks"] == ["cluster"]
        assert not {"HICO_STORAGE", "MLFLOW_TRACKING_URI", "PGSERVICEFILE"} & set(services[name]["environment"])
    assert "--num-cpus=0" in services["head"]["command"], "trials run on workers alone"
    assert secrets_of(services["driver"]) & PASSWORDS == {"hico_database", "mlflow_credentials"}
    superuser = {name for name, one in services.items() if "postgres_superuser" in secrets_of(one)}
    assert superuser == {"postgres"}
    assert all("cluster" not in services[name]["networks"] for name in ("postgres", "mlflow"))


def test_ray_asks_for_its_token_and_reports_no_usage(services: dict[str, Any]) -> None:
    for name in ("head", "worker", "driver"):
        environment = services[name]["environment"]
        assert (environment["RAY_AUTH_MODE"], environment["RAY_USAGE_STATS_ENABLED"]) == ("token", "0")
    assert "RAY_USAGE_STATS_ENABLED=0" in (DOCKER / "Dockerfile").read_text()


def test_mlflow_asks_for_a_password_and_begins_after_the_upgrade(compose: dict[str, Any]) -> None:
    mlflow = compose["services"]["mlflow"]
    s3 = yaml.safe_load((DOCKER / "compose.s3.yaml").read_text())["services"]["mlflow"]
    assert "--app-name=basic-auth" in mlflow["command"]
    assert mlflow["environment"]["MLFLOW_AUTH_CONFIG_PATH"] == "/run/secrets/mlflow_auth"
    assert mlflow["depends_on"]["upgrade"]["condition"] == "service_completed_successfully"
    changed = [pair for pair in zip(mlflow["command"], s3["command"], strict=True) if pair[0] != pair[1]]
    assert [here for here, _ in changed] == ["--artifacts-destination=/artifacts"]


def test_secrets_are_made_once_and_lie_in_a_private_folder(compose: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "secrets"

    def made() -> dict[str, str]:
        subprocess.run(["sh", DOCKER / "secrets.sh", folder], check=True, env={"PATH": os.environ["PATH"]})
        return {file.name: file.read_text() for file in folder.iterdir()}

    first = made()
    assert set(first) == set(compose["secrets"])
    assert made() == first
    (folder / "ray_token").unlink()
    again = made()
    assert again.pop("ray_token") != first["ray_token"]
    assert again.items() <= first.items()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(set(re.findall("[0-9a-f]{48}", "".join(first.values())))) == 5, "one password lies in two files"
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"docker/secrets/", "docker/backups/"} <= set(ignored)


def test_no_secret_is_kept_without_a_random_value(tmp_path: Path) -> None:
    """Neither one that could not be made, nor an empty file of before; what a killed run left is in nobody's way."""
    folder, programs = tmp_path / "secrets", tmp_path / "programs"
    programs.mkdir()
    for name in ("mkdir", "chmod", "tr", "cat", "mv", "rm", "sed"):
        (programs / name).symlink_to(shutil.which(name) or name)

    def made(path: str) -> subprocess.CompletedProcess[str]:
        words = ["/bin/sh", DOCKER / "secrets.sh", folder]
        return subprocess.run(words, check=False, env={"PATH": path}, capture_output=True, text=True)

    without = made(str(programs))
    assert (without.returncode, list(folder.iterdir())) == (1, [])
    assert "expected 48 random digits from od, got 0; is coreutils installed?" in without.stderr
    (folder / "ray_token").touch(mode=0o444)
    (folder / ".ray_token.new").symlink_to(tmp_path / "none" / "cannot be written")  # for root too, as read-only is not
    whole = made(os.environ["PATH"])
    assert whole.returncode == 0, whole.stderr
    assert re.fullmatch("[0-9a-f]{48}", (folder / "ray_token").read_text())
    assert not list(folder.glob(".*"))
    (folder / "hico_database").unlink()
    (folder / "hico_database").write_text("[hico]\npassword=\n")
    empty = made(os.environ["PATH"])
    assert empty.returncode == 1
    assert "expected a value of 'password'" in empty.stderr


def test_a_restore_can_write_beside_what_it_replaces(services: dict[str, Any]) -> None:
    assert not [volume for volume in services["restore"]["volumes"][:3] if volume.endswith(":ro")]


def test_scripts_are_shell_that_parses() -> None:
    scripts = sorted(DOCKER.glob("*.sh"))
    names = {script.name for script in scripts}
    assert {"backup.sh", "restore.sh", "upgrade.sh", "mlflow.sh", "driver.sh", "secrets.sh", "pin.sh"} <= names
    for script in scripts:
        subprocess.run(["sh", "-n", script], check=True)
        assert os.access(script, os.X_OK), script.name


def test_a_driver_joins_the_cluster_that_its_command_names(tmp_path: Path) -> None:
    """The machine that Ray asks for has no CPUs, and its processes no address of a store."""
    for program in ("ray", "hico-platform"):
        file = tmp_path / program
        file.write_text(f'#!/bin/sh\necho {program} "$@" "[$HICO_STORAGE]" >> {tmp_path}/calls\n')
        file.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HICO_STORAGE": "postgresql://hico@db/hico"}
    for words in (["status"], ["search", "--address", "head:6379"], ["search", "--address=head:6379"]):
        subprocess.run(["sh", DOCKER / "driver.sh", *words], check=True, env=environment)
    status, joined, search, *again = (tmp_path / "calls").read_text().splitlines()
    assert status == "hico-platform status [postgresql://hico@db/hico]"
    assert joined.startswith("ray start --address=head:6379 --num-cpus=0 --num-gpus=0 ")
    assert joined.endswith("[]")
    assert search == "hico-platform search --address head:6379 [postgresql://hico@db/hico]"
    assert again == [joined, search.replace("--address ", "--address=")]


def test_the_image_copies_what_there_is_and_the_context_holds_it() -> None:
    lines = (DOCKER / "Dockerfile").read_text().splitlines()
    sources = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert "requirements" in sources
    admitted = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in admitted), f"{source} is not in the build context"


def test_files_that_services_mount_exist(services: dict[str, Any]) -> None:
    mounts = [volume for service in services.values() for volume in service.get("volumes", [])]
    beside = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert beside
    assert all((DOCKER / path).is_file() for path in beside)


def test_gpus_are_for_services_that_there_are(services: dict[str, Any]) -> None:
    more = yaml.safe_load((DOCKER / "compose.gpu.yaml").read_text())["services"]
    assert set(more) == {"worker"}, "trials alone need them"
    assert set(more) <= set(services)
