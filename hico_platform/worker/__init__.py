"""What runs on a worker, and what measures it."""
