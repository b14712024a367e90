"""The search: a ledger records it, a sampler proposes trials, a scheduler stops them early, and Ray runs them."""

from hico_platform.callable_package import make_callable

make_callable(__name__, function="hico_platform.api.search:search")
