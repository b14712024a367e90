"""Compares the three encoders at one budget, on validation subjects: GRU, LSTM and Transformer, with 95 % intervals.

    python examples/compare_encoders.py --home /tmp/example --epochs 30         some minutes on 2 cores
    python examples/compare_encoders.py --encoders gru mean                     with a plug-in's encoder (docs/api.md)

Runs that are there already are not trained again.
"""

from __future__ import annotations

import argparse

import pandas as pd

import hico_platform as hico

SETTINGS = {
    "model": {"hidden_width": 64},
    "contrast": {"temperature": 0.1, "queue_size": 512, "momentum": 0.99},
    "views": {"frames": 32},
    "optimiser": {"name": "adamw", "learning_rate": 0.001},
    "evaluation": {"linear_batch_size": 64},
}


def main() -> None:
    """Trains each encoder and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", help="where everything is kept (default: $HICO_HOME, else ~/.hico)")
    parser.add_argument("--data", default="embedded", help="a prepared folder (default: the embedded dataset)")
    parser.add_argument("--protocol", default="xsub")
    parser.add_argument("--encoders", nargs="+", default=["gru", "lstm", "transformer"])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of all of them")
    arguments = parser.parse_args()

    data = hico.load_dataset(arguments.data, protocol=arguments.protocol, home=arguments.home)
    scores = []
    for encoder in arguments.encoders:
        run = hico.pretrain(
            SETTINGS,
            data=data,
            protocol=arguments.protocol,
            name=encoder,
            home=arguments.home,
            set=[f"budget.epochs={arguments.epochs}", *arguments.set, f"model.encoder={encoder}"],
        )
        # The test split stays closed: what is chosen here is chosen on validation subjects.
        table = hico.evaluate(
            run, data, protocol=arguments.protocol, split="val", tasks=["knn", "retrieval"], home=arguments.home
        )
        scores.append(table.assign(encoder=encoder))

    found = pd.concat(scores).query("score in ['knn_top1', 'retrieval_map'] and entry != 'raw pose'")
    rows = zip(found.value, found.low, found.high, strict=True)
    found = found.assign(
        percent=[f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]" for value, low, high in rows]
    )
    print(found.pivot(index=["score", "entry"], columns="encoder", values="percent").to_string())


if __name__ == "__main__":
    main()
