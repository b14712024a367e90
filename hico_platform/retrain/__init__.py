"""Retraining: the best configuration trained again beside the released settings, and scored on the test split."""

from hico_platform.callable_package import make_callable

make_callable(__name__, function="hico_platform.api.retraining:retrain")
