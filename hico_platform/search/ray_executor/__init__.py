"""Ray Tune executes a search; the only folder that imports Ray. It keeps nothing that the ledger does not have."""
