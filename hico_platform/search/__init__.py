"""The search: a ledger that remembers, a scheduler that decides, a sampler that proposes, Ray that executes."""
