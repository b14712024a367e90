from __future__ import annotations

from prometheus_client import generate_latest

from hico_platform.monitoring.registry import SearchRegistry
from tests.unit.monitoring.scraped import scraped


def test_every_series_names_its_search_before_its_own_labels() -> None:
    metrics = SearchRegistry("toy")
    ended = metrics.counter("trials_ended", "Trials that ended.", "state")
    ended("complete").inc()
    ended("complete").inc(2)
    size = metrics.gauge("disk_free", "Left.", unit="bytes")
    size().set(7)
    epoch = metrics.gauge("trial_epoch", "Epochs.", "trial")
    epoch(3).set(9)
    took = metrics.histogram("epoch", "Seconds of epochs.", unit="seconds", buckets=(1.0, 5.0))
    for seconds in (1.0, 3.0, 9.0):
        took().observe(seconds)
    text = generate_latest(metrics.registry).decode()
    assert 'hico_trials_ended_total{search="toy",state="complete"} 3.0' in text
    assert 'hico_disk_free_bytes{search="toy"} 7.0' in text
    assert 'hico_trial_epoch{search="toy",trial="3"} 9.0' in text
    for bucket, count in (("1.0", 1), ("5.0", 2), ("+Inf", 3)):
        assert f'hico_epoch_seconds_bucket{{le="{bucket}",search="toy"}} {count}.0' in text
    assert "# HELP hico_disk_free_bytes Left." in text
    assert "_created" not in text, "a further series for each counter, which nobody reads"


def test_a_series_ends_and_one_that_there_is_not_ends_nothing() -> None:
    metrics = SearchRegistry("toy")
    epoch = metrics.gauge("trial_epoch", "Epochs.", "trial")
    for number in (3, 4):
        epoch(number).set(1)
    epoch.remove(3)
    epoch.remove(3)
    epoch.remove(99)
    assert scraped(metrics.registry) == {"hico_trial_epoch": {("4",): 1.0}}


def test_two_searches_in_a_process_have_each_their_own() -> None:
    one, other = SearchRegistry("one"), SearchRegistry("other")
    for metrics in (one, other):
        metrics.gauge("trial_epoch", "Epochs.", "trial")(1).set(1)
    assert b'search="one"' in generate_latest(one.registry)
    assert b'search="one"' not in generate_latest(other.registry)
