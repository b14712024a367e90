"""Turn a released HiCo checkpoint (.pth.tar) into an exported encoder of this project.

Both kinds are read: that of the pretraining (checkpoint_0450.pth.tar) and that of the linear probe
(joint_model_best.pth.tar, whose epoch was chosen on the test set; its encoder is taken alone, which the probe leaves as
it was). Every entry of the state is accounted for, so nothing loads by half, and nothing of the file is run. evaluate,
features and load_encoder take the folder that is written; the first two take the .pth.tar itself as well. Training
cannot go on from it. Released encoders ask for data that were prepared with --normalisation released.

examples:
  hico-platform import-checkpoint checkpoint_0450.pth.tar --out hico-xsub-joint
  hico-platform import-checkpoint bone_model_best.pth.tar --stream bone --out hico-xsub-bone
  hico-platform evaluate --checkpoint hico-xsub-joint --data ntu60 --protocol xsub
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hico_platform.cli.encoder_options import add_not_in_the_file, not_in_the_file
from hico_platform.cli.terminal import plain_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the released checkpoint")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the encoder to write; must not exist")
    add_not_in_the_file(parser)
    parser.add_argument("--json", action="store_true", help="print what was read as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Reads, writes and says what was inferred and what assumed."""
    from hico_platform.commands.released_encoder import read_released
    from hico_platform.errors import command
    from hico_platform.export import export_encoder
    from hico_platform.writable import check_free

    check_free(arguments.out)
    released = read_released(arguments.file, given=not_in_the_file(arguments))
    export_encoder(released.as_checkpoint(), arguments.out)
    model, kind = released.config.model, released.architecture.kind
    inferred = {
        "encoder": model.encoder.value,
        "width": model.hidden_width,
        "layers": model.layers,
        "granularities": model.granularities,
        "frames": released.config.views.frames,
        "projection_width": released.architecture.projection_width,
        "queue_size": released.architecture.queue_size,
        "classes": released.architecture.classes,
    }
    given = {"heads": model.heads, "stream": released.config.views.stream.value, "layout": released.layout.name}
    if arguments.json:
        content = {"kind": kind.value, "epoch": released.epoch, "sha256": released.sha256, "inferred": inferred,
                   **given, "assumed": list(released.assumed), "out": str(arguments.out)}  # fmt: skip
        print(json.dumps(content, indent=1))
        return 0
    epoch = "" if released.epoch is None else f", epoch {released.epoch}"
    print(plain_line(f"{arguments.file}: HiCo as released, {kind.value}{epoch}"))
    for name, value in inferred.items():
        if value is not None:
            print(f"  {name:<18}{value}")
    for name, value in given.items():
        said = " (assumed, as released: the file does not say)" if name in released.assumed else ""
        print(plain_line(f"  {name:<18}{value}{said}"))
    print(f"written: {arguments.out}")
    evaluated = command("evaluate", "--checkpoint", arguments.out, "--data", "DIR", "--protocol", "xsub")
    print(f"next: {evaluated}")
    return 0
