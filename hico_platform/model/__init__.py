"""The method: hierarchical encoder, projectors, queues and contrast (AAAI 2023, section 3)."""
