"""Downstream evaluation of a frozen encoder: kNN, linear probe, retrieval, transfer."""

from hico_platform.callable_package import make_callable

make_callable(__name__, function="hico_platform.api.evaluation:evaluate")
