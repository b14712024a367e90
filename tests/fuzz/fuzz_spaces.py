"""Feeds damaged and invented space files to their reader: each is a space or a ConfigError, in bounded memory and time.

    python -m tests.fuzz.fuzz_spaces [--minutes 5] [--seed 0]

A failure prints what was raised and the file that caused it, which is kept.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
import traceback
from pathlib import Path

from hico_platform.config.schema import field_types
from hico_platform.config.space import load_space
from hico_platform.config.space_settings import Space
from hico_platform.config.trial import TrialConfig
from hico_platform.errors import ConfigError
from tests.unit.config.test_yaml_loader import SEEDS, TOKENS

MOST_GIB = 2  # address space: an attempt to take more fails as MemoryError, and is reported
SLOW_S = 10.0  # of processor time
VALUES = """\
010|1:30|.nan|-.inf|1e999|[]|{}|null|true|"x"|[1, a]|0|-1|0.5|1|2|gru|99999999999|1e-320|[[a]]|[null]|[{}]
{low: 1}|{low: 1, high: 3}|{low: 0.1, high: 0.5, log: true}|{low: 1e-300, high: 1e300, log: true}
{low: -1e308, high: 1e308}|{low: 1, high: 9223372036854775807}|{low: 0, high: 1e308, step: 1e-300}
{low: 0.1, high: 0.5, step: 1e-9}|{low: [1], high: {}}|{low: 1, high: 5, step: .nan}
{low: 1, high: 5, step: .inf}|{low: 1, high: 5, step: {}}|{low: .nan, high: 1}|{low: 1, high: .inf}
{choice: [1, [2], {a: 1}]}|{choice: [.nan, .nan]}|{choice: [1, true, 1.0]}|{choice: [gru, lstm]}
{choice: [gru, 1]}|{choice: [1, 2], when: {model.encoder: [gru, [1]]}}
{choice: [1, 2], when: {model.encoder: {a: b}}}|{low: 1, high: 5, when: []}
{choice: [gru, lstm], when: {model.encoder: gru}}|{low: 1, high: 5, when: {a: [1]}}|{fixed: {}}|{fixed: [1]}
{fixed: null}|{simplex: [clip, part], sum: 1e308, low: 1e307}|{simplex: [clip, part]}
{simplex: [clip, [part]]}|{simplex: [clip, {a: 1}]}|["1 > 0"]|["model.layers % 0 > 1"]
["model.layers > model.heads"]|["a"]|[1]|[knn_top1, parameters]|[parameters]|[{contrast.temperature: 0.1}]
[{contrast: {temperature: [1]}}]|[{contrast: {temperature: {a: 1}}}]|[{model.layers: 99999999999999}]
{name: grid}|{name: gp, seed: 1}|{hours: .inf}|{gpus: auto}|{gpus: 1.5}|{cpus: .nan}|{epochs: 1}""".replace(
    "\n", "|"
).split("|")
FIELDS, SETTINGS = list(field_types(TrialConfig)), [name for name in field_types(Space) if not name.startswith("base.")]


def invented(draw: random.Random) -> bytes:
    """A space file of real fields with values that they may not have."""
    lines = ["search:", *(f"  {name}: {draw.choice(VALUES)}" for name in draw.sample(FIELDS, draw.randint(1, 4)))]
    lines += [f"  contrast.level_weights: {draw.choice(VALUES)}"] * draw.randint(0, 1)
    lines += [
        f"{name}: {draw.choice(VALUES)}" for name in draw.sample(SETTINGS, draw.randint(0, 2)) if name != "search"
    ]
    if draw.random() < 0.4:
        lines += ["base:", *(f"  {name}: {draw.choice(VALUES)}" for name in draw.sample(FIELDS, 2))]
    return "\n".join(lines).encode()


def damaged(data: bytearray, draw: random.Random) -> bytearray:
    """Something put in, left out, altered or doubled."""
    at, kind = draw.randrange(len(data) + 1), draw.randrange(4)
    if kind == 0:
        data[at:at] = draw.choice(TOKENS).encode("utf-8", "surrogatepass") * draw.choice([1, 1, 1, 50])
    elif kind == 1:
        data[at : at + draw.randint(1, 30)] = b""
    elif kind == 2 and at < len(data):
        data[at] = draw.randrange(256)
    else:
        start = draw.randrange(len(data) + 1)
        data[at:at] = data[start : start + draw.randint(1, 200)]
    return data


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_GIB << 30, MOST_GIB << 30))
    draw, folder = random.Random(arguments.seed), Path(tempfile.mkdtemp(prefix="fuzz-"))
    file, end_s = folder / "space.yaml", time.monotonic() + 60 * arguments.minutes
    runs = spaces = failures = 0
    while time.monotonic() < end_s:
        data = bytearray(invented(draw) if draw.random() < 0.5 else draw.choice(SEEDS))
        for _ in range(draw.choice([0, 1, 1, 2, 4])):
            data = damaged(data, draw)
        file.write_bytes(data)
        runs, began_s = runs + 1, time.process_time()
        try:
            json.dumps(load_space(file).source).encode()
            spaces += 1
        except ConfigError as error:
            str(error).encode()
        except BaseException:
            failures += 1
            traceback.print_exc()
            sys.stderr.write(f"{file.rename(folder / f'failure-{failures}.yaml')}\n")
        if time.process_time() - began_s > SLOW_S:
            failures += 1
            sys.stderr.write(f"slow: {file.rename(folder / f'failure-{failures}.yaml')}\n")
    sys.stdout.write(f"{runs} files, {spaces} spaces, {failures} failures\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
