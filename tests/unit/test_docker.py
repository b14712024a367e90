"""What can be checked of docker/ without an engine: that it is whole, and that it is closed by default."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SECRETS = ("PASSWORD", "TOKEN")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]


def test_ports_are_published_on_the_loopback_address_alone(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_secrets_come_from_the_environment_and_have_no_default(services: dict[str, Any]) -> None:
    given = {
        (name, key): value
        for name, service in services.items()
        for key, value in service.get("environment", {}).items()
        if any(word in key for word in SECRETS)
    }
    assert {key for _, key in given} == {"POSTGRES_PASSWORD", "PGPASSWORD", "RAY_AUTH_TOKEN"}
    assert all(re.fullmatch(r"\$\{[A-Z_]+:\?set [A-Z_]+\}", value) for value in given.values())


def test_no_address_holds_a_password(services: dict[str, Any]) -> None:
    addresses = re.findall(r"\w+(?:\+\w+)?://[^\s\"']+", (ROOT / "docker" / "compose.yaml").read_text())
    assert addresses
    assert not [address for address in addresses if re.search(r"://[^/@:]+:[^/@]+@", address)]


def test_the_image_copies_what_there_is_and_the_context_holds_it() -> None:
    lines = (ROOT / "docker" / "Dockerfile").read_text().splitlines()
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
    assert all((ROOT / "docker" / path).is_file() for path in beside)


def test_gpus_are_for_services_that_there_are(services: dict[str, Any]) -> None:
    more = yaml.safe_load((ROOT / "docker" / "compose.gpu.yaml").read_text())["services"]
    assert set(more) <= set(services)
