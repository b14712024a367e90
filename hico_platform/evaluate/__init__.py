"""Downstream evaluation of a frozen encoder: kNN, linear probe, retrieval, transfer."""
