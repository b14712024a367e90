"""Which trials go on: pure functions of what the ledger holds."""
