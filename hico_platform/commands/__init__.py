"""One thin function a command: the only package that connects search, retraining, tracking and the worker."""
