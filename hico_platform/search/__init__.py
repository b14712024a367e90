"""The search: a ledger records it, a sampler proposes trials, a scheduler stops them early, and Ray runs them."""
