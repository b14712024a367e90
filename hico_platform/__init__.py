"""Distributed hyperparameter search and experiments for HiCo (Hierarchical Contrast, AAAI 2023)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hico_platform.commands.encoder import load_encoder

__version__ = "0.1.0"
__all__ = ["__version__", "load_encoder"]


def __getattr__(name: str) -> object:
    """``load_encoder``, imported on first use, because it imports torch and MLflow."""
    if name == "load_encoder":
        from hico_platform.commands.encoder import load_encoder

        return load_encoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
