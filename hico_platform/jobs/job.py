"""What a job runs: a search by its name, on a space and a dataset."""

from __future__ import annotations

from dataclasses import dataclass

from hico_platform.config.space_settings import Space


@dataclass(frozen=True, kw_only=True)
class SearchJob:
    """A search that is to run on a cluster.

    Attributes:
        name: of the search.
        settings: its checked space, with the machines that it asks for.
        space_text: the whole space as YAML, so that a job depends on no file that may change or go away.
        home: the home as the cluster's machines see it.
        data: a prepared folder or address as they see it; None for the embedded dataset.
        version: of this package.
        ray_version: of Ray.
    """

    name: str
    settings: Space
    space_text: str
    home: str
    data: str | None = None
    version: str
    ray_version: str

    @property
    def words(self) -> tuple[str, ...]:
        """The search's command, apart from what depends on where it runs: file of the space, address, metrics."""
        data = () if self.data is None else ("--data", self.data)
        return ("hico-platform", "search", "--resume", "--name", self.name, "--home", self.home, *data)
