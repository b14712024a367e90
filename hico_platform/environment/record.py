"""What a run had around it, as a record that lies in its folder, and how two of them differ."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hico_platform.atomic_io import write_new_folder
from hico_platform.cpus import available_cpus
from hico_platform.environment.checkout import Checkout, checkout_of
from hico_platform.environment.devices import Gpu, driver_version, gpus, processor
from hico_platform.environment.variables import may_change_numbers, variables

FOLDER = "environment"
"""Of the first record in a run's folder; a run that goes on in another environment adds ``environment-2`` ..."""
RECORD, PACKAGES, DIFF = "environment.json", "packages.txt", "diff.patch"
SCHEMA = 1

Difference = tuple[Any, Any]
"""(then, now)."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What a process has around it, without secrets.

    Args:
        packages: ``name==version`` of every installed package.
        command: the command line; empty where it is not known.
        at_s: when it was recorded (Unix time).
        python: the version of Python.
        system: the operating system and the processor's kind.
        processor: the model of the CPUs.
        cpus: CPUs that this process may use.
        gpus: GPUs of this machine.
        driver: the version of NVIDIA's driver.
        variables: variables of the environment that matter.
        checkout: the checkout that the package runs from; None where it is installed.
    """

    packages: tuple[str, ...]
    command: str = ""
    at_s: float = 0.0
    python: str = ""
    system: str = ""
    processor: str = ""
    cpus: int = 0
    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)
    checkout: Checkout | None = None

    def files(self) -> Mapping[str, bytes]:
        """The record as files, by name; a diff only where there is one."""
        plain = {"schema": SCHEMA, **dataclasses.asdict(self)}
        del plain["packages"]
        diff = "" if self.checkout is None else plain["checkout"].pop("diff")
        found = {
            RECORD: json.dumps(plain, indent=1).encode(),
            PACKAGES: "".join(f"{one}\n" for one in self.packages).encode(),
        }
        return found | ({DIFF: diff.encode()} if diff else {})


def this_environment(*, command: str = "", at_s: float = 0.0) -> Environment:
    """What this process has around it; takes half a second. ``command`` is its command line without secrets."""
    return Environment(
        packages=_packages(),
        command=command,
        at_s=at_s,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        processor=processor(),
        cpus=available_cpus(),
        gpus=gpus(),
        driver=driver_version(),
        variables=variables(),
        checkout=checkout_of(Path(__file__).resolve().parents[1]),
    )


def keep_environment(folder: Path, *, command: str = "", at_s: float) -> tuple[Path, ...]:
    """Records this process's environment in a run's folder, unless nothing differs from the last record there.

    Returns:
        the folders of all its records, the first one first.

    Raises:
        OSError: the disk is full, or the folder may not be written.
    """
    now, before = this_environment(command=command, at_s=at_s), kept_in(folder)
    if before and (last := read_environment(before[-1])) is not None and not differences(last, now):
        return before
    new = folder / (FOLDER if not before else f"{FOLDER}-{_number(before[-1]) + 1}")
    write_new_folder(new, now.files())
    return (*before, new)


def kept_in(folder: Path) -> tuple[Path, ...]:
    """The folders of the records in a run's folder, the first one first."""
    found = (one for one in folder.glob(f"{FOLDER}*") if _number(one) and (one / RECORD).is_file())
    return tuple(sorted(found, key=_number))


def environment_at(folder: Path, at_s: float) -> Environment | None:
    """The environment of a run at a moment: of its last record by then; None where there is none that can be read."""
    records = [one for path in kept_in(folder) if (one := read_environment(path)) is not None]
    return next((one for one in reversed(records) if one.at_s <= at_s), records[0] if records else None)


def read_environment(folder: Path) -> Environment | None:
    """A record; None where it cannot be read, or is of a later version."""
    try:
        plain = json.loads((folder / RECORD).read_bytes())
        if plain.pop("schema") != SCHEMA:
            return None
        checkout = plain.pop("checkout")
        diff = (folder / DIFF).read_text(encoding="utf-8") if (folder / DIFF).is_file() else ""
        if checkout is not None:
            checkout = Checkout(**(checkout | {"untracked": tuple(checkout["untracked"]), "diff": diff}))
        found = tuple(Gpu(**one) for one in plain.pop("gpus"))
        packages = tuple((folder / PACKAGES).read_text(encoding="utf-8").splitlines())
        return Environment(packages=packages, gpus=found, checkout=checkout, **plain)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def differences(then: Environment, now: Environment) -> Mapping[str, Difference]:
    """What may change numbers and is not as it was: name to (then, now); None for what is not there."""
    found: dict[str, Difference] = {
        "commit": (_commit(then), _commit(now)),
        "uncommitted changes": (_changes(then), _changes(now)),
        "python": (then.python, now.python),
        "system": (then.system, now.system),
        "processor": (then.processor, now.processor),
        "cpus": (then.cpus, now.cpus),
        "gpus": (_models(then), _models(now)),
        "driver": (then.driver, now.driver),
    }
    was, is_now = _versions(then.packages), _versions(now.packages)
    found |= {f"package {name}": (was.get(name), is_now.get(name)) for name in sorted(was.keys() | is_now.keys())}
    names = sorted(name for name in then.variables.keys() | now.variables.keys() if may_change_numbers(name))
    found |= {name: (then.variables.get(name), now.variables.get(name)) for name in names}
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}


def _packages() -> tuple[str, ...]:
    found = {}
    for one in importlib.metadata.distributions():
        name = one.metadata["Name"]
        if name and name not in found:  # the first on the path is the one that is imported
            found[str(name)] = str(one.version)
    return tuple(f"{name}=={found[name]}" for name in sorted(found, key=str.lower))


def _versions(packages: Sequence[str]) -> Mapping[str, str]:
    return dict(_version(one) for one in packages)


def _version(package: str) -> tuple[str, str]:
    name, _, version = package.partition("==")
    return name.lower().replace("_", "-"), version


def _commit(one: Environment) -> str | None:
    return None if one.checkout is None else one.checkout.commit[:12]


def _changes(one: Environment) -> str | None:
    """The changes that were not committed, by a digest that tells them apart; None where there were none."""
    if one.checkout is None or not one.checkout.digest:
        return None
    return f"sha256 {one.checkout.digest[:12]}"


def _models(one: Environment) -> str | None:
    return ", ".join(_counted([gpu.model for gpu in one.gpus])) or None


def _counted(models: Sequence[str]) -> Iterator[str]:
    for model in dict.fromkeys(models):
        count = models.count(model)
        yield f"{count} {model}" if count > 1 else model


def _number(folder: Path) -> int:
    """1 for ``environment``, N for ``environment-N``, 0 for another name."""
    _, dash, number = folder.name.partition("-")
    if folder.name == FOLDER:
        return 1
    return int(number) if dash and folder.name.startswith(f"{FOLDER}-") and number.isdecimal() else 0
