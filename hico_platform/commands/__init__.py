"""The only place that wires rooms together: one function a command."""
