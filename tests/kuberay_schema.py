"""Checks manifests of ``submit --kuberay`` against KubeRay's own schema, strictly: a field that it lacks is an error.

    python tests/kuberay_schema.py ray.io_rayjobs.yaml MANIFEST...

The first file is one of ray-operator/config/crd/bases/ in github.com/ray-project/kuberay, at a release of choice.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jsonschema
import yaml


def main(definition: Path, manifests: list[Path]) -> int:
    schema = _schema(definition)
    checked, wrong = 0, 0
    for file in manifests:
        for document in yaml.safe_load_all(file.read_text("utf-8")):
            if document["kind"] != "RayJob":
                continue
            checked += 1
            for error in jsonschema.Draft202012Validator(schema).iter_errors(document):
                wrong += 1
                print(f"{file}: {'.'.join(map(str, error.path))}: {error.message[:200]}")
    print(f"{checked} RayJobs checked, {wrong} errors")
    return 1 if wrong or not checked else 0


def _schema(definition: Path) -> dict[str, Any]:
    versions = yaml.safe_load(definition.read_text("utf-8"))["spec"]["versions"]
    [schema] = [version["schema"]["openAPIV3Schema"] for version in versions if version["name"] == "v1"]
    _close(schema)
    schema["properties"]["metadata"] = {"type": "object"}
    return dict(schema)


def _close(part: object) -> None:
    """Refuses unknown fields, as ``kubectl --validate=strict`` does, and admits numbers where texts may be too."""
    if isinstance(part, list):
        for inner in part:
            _close(inner)
    if not isinstance(part, dict):
        return
    is_open = part.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in part
    if part.get("type") == "object" and "properties" in part and not is_open:
        part["additionalProperties"] = False
    if part.get("x-kubernetes-int-or-string"):
        part["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    for inner in part.values():
        _close(inner)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), list(map(Path, sys.argv[2:]))))
