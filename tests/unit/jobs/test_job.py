"""A search as a job: the words of its command."""

from __future__ import annotations

from dataclasses import replace

from hico_platform.config.space import space_of
from hico_platform.jobs.job import SearchJob


def job_of(cluster: dict[str, object] | None = None, **given: object) -> SearchJob:
    space = space_of(
        {"name": "mine", "search": {"contrast.temperature": {"low": 0.05, "high": 0.5}}, "cluster": cluster or {}}
    )
    job = SearchJob(
        name="mine", settings=space.settings, space_text="name: mine\n", home="/h", version="0", ray_version="2.60.0"
    )
    return replace(job, **given)  # type: ignore[arg-type]


def test_a_job_resumes_so_that_it_may_be_run_again() -> None:
    assert job_of().words == ("hico-platform", "search", "--resume", "--name", "mine", "--home", "/h")
    assert job_of(data="/d").words[-2:] == ("--data", "/d")
