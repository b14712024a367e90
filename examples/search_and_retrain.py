"""Searches for the best configuration, trains it again with several seeds, and loads the model that comes of it.

    python examples/search_and_retrain.py --home /tmp/example
    python examples/search_and_retrain.py --trials 4 --epochs 9 --seeds 1       a few minutes on 2 cores

Interrupted by Ctrl-C, the same command goes on. The embedded dataset is made on first use; --data takes another.
"""

from __future__ import annotations

import argparse

import hico_platform as hico


def main() -> None:
    """Runs all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", help="where everything is kept (default: $HICO_HOME, else ~/.hico)")
    parser.add_argument("--data", help="a prepared folder (default: the embedded dataset)")
    parser.add_argument("--protocol", help="how train and test are chosen (default: xsub)")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=45)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the space")
    arguments = parser.parse_args()

    search = hico.search(
        "level_weights",
        name="example",
        data=arguments.data,
        protocol=arguments.protocol,
        home=arguments.home,
        trials=arguments.trials,
        set=[
            f"budget.epochs={arguments.epochs}",
            f"scheduler.grace_epochs={max(1, arguments.epochs // 9)}",
            *arguments.set,
        ],
        resume=True,  # go on with it where there is one of this name
        progress=lambda event: print(type(event).__name__, getattr(event, "number", "")),
    )
    print(search.trials[["state", "epochs", "score", "standard_error", "contrast.level_weights.clip", "model.encoder"]])
    print(f"best: {search.best}")

    # On the test split, beside the released settings, an untrained encoder and the poses themselves.
    result = hico.retrain(search, seeds=arguments.seeds)
    print(result.table.query("metric == 'knn_top1'")[["entry", "mean", "low", "high", "seeds"]])
    print(f"{result.model} is the {result.alias}: {result.reason}")

    # The registered model: features, and the classes of recordings that it has never seen.
    encoder = result.encoder()
    data = hico.load_dataset(arguments.data or "embedded", protocol=arguments.protocol or "xsub", home=arguments.home)
    recording = data.val[0]
    (neighbours,) = encoder.neighbours([recording.pose], k=3)
    print(f"features: {encoder.features([recording.pose]).shape}")
    print(f"{recording.name} is nearest to {', '.join(one.name for one in neighbours)}")


if __name__ == "__main__":
    main()
