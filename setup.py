"""Maps the top-level folder search_spaces into the package; all else stands in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["hico_platform", "hico_platform.*"]), "hico_platform.search_spaces"],
    package_dir={"hico_platform.search_spaces": "search_spaces"},
    package_data={"hico_platform": ["py.typed"], "hico_platform.search_spaces": ["*.yaml", "*.json"]},
)
