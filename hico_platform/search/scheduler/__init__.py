"""Which trials continue and which stop early: pure functions of the learning curves in the ledger."""
