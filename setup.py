"""Maps the top-level folders search_spaces and dashboards into the package; all else stands in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["hico_platform", "hico_platform.*"]),
        "hico_platform.search_spaces",
        "hico_platform.dashboards",
        "hico_platform.dashboards.provisioning.dashboards",
        "hico_platform.dashboards.provisioning.datasources",
    ],
    package_dir={"hico_platform.search_spaces": "search_spaces", "hico_platform.dashboards": "dashboards"},
    package_data={
        "hico_platform": ["py.typed"],
        "hico_platform.config.table_maps": ["*.yaml"],
        "hico_platform.ops.cpu": ["*.c", "*.h"],
        "hico_platform.search_spaces": ["*.yaml", "*.json"],
        "hico_platform.dashboards": ["*.html", "*.css", "*.js", "*.json", "*.yaml", "*.yml", "*.md"],
        "hico_platform.dashboards.provisioning.dashboards": ["*.yaml"],
        "hico_platform.dashboards.provisioning.datasources": ["*.yaml"],
    },
)
