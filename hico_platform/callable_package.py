"""Packages that are functions too: ``hico_platform.search`` holds modules, ``hico_platform.search(...)`` runs a search.

Importing a package's module sets the package as an attribute of the one above, so a function of the same name would
be gone as soon as anything below it is imported. Such a package therefore is callable itself.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    """A package that calls a function of another module, which is imported when it is asked for."""

    _function_at: tuple[str, str]

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Calls the function."""
        return self._function(*arguments, **named)

    @property
    def _function(self) -> Callable[..., Any]:
        module, name = self._function_at
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return function

    @property
    def __signature__(self) -> inspect.Signature:
        """That of the function, for ``help`` and notebooks."""
        return inspect.signature(self._function)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        """That of the function."""
        return self._function.__doc__

    def __reduce__(self) -> tuple[Callable[[str], ModuleType], tuple[str]]:
        """Pickled by its name, as what is sent to workers may refer to it."""
        return importlib.import_module, (self.__name__,)


def make_callable(package: str, *, function: str) -> None:
    """Makes an imported package call ``function``, named ``module:name``, which is imported at the first call."""
    module = sys.modules[package]
    name, _, attribute = function.partition(":")
    module.__class__ = _CallablePackage
    module.__dict__["_function_at"] = (name, attribute)
