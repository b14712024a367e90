from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest
import torch

from hico_platform.build import build_views
from hico_platform.config.trial import ViewsConfig
from hico_platform.data.sequence import UNLABELLED
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import ClosedTestSplitError, Purpose, closed_test_split, require_open
from hico_platform.data.store import Store
from tests.small import small_store

SCORES = (Purpose.RETRAINING, Purpose.EVALUATION, Purpose.MERGE)
SCORES_NOTHING = (Purpose.COUNTS, Purpose.OVERLAP)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("data") / "store")


@pytest.fixture
def test_part(store: Store) -> np.ndarray:
    return split_store(store, "odd-subjects").open_test(Purpose.COUNTS)


def test_every_purpose_opens_the_test_split_unless_it_is_closed(store: Store) -> None:
    split = split_store(store, "odd-subjects")
    for purpose in Purpose:
        assert len(split.open_test(purpose)) == 24
    assert not hasattr(split, "test")
    assert "_test" not in repr(split)


@pytest.mark.parametrize("purpose", SCORES)
def test_in_a_search_it_is_opened_for_no_score(purpose: Purpose, store: Store) -> None:
    split = split_store(store, "odd-subjects")
    refused = r"^test split: expected a reader after the search: .*, got 'a search'; leave the test split"
    with closed_test_split("a search"):
        for read in (split.open_test, split.parts, require_open):
            with pytest.raises(ClosedTestSplitError, match=refused):
                read(purpose)
    assert len(split.open_test(purpose)) == 24, "open again afterwards"


@pytest.mark.parametrize("purpose", SCORES_NOTHING)
def test_what_scores_nothing_may_read_it_everywhere(purpose: Purpose, store: Store) -> None:
    with closed_test_split("a search"):
        assert len(split_store(store, "odd-subjects").open_test(purpose)) == 24


def test_it_stays_closed_after_an_error_inside_another_closed_block() -> None:
    with closed_test_split("a search"):
        with pytest.raises(KeyError), closed_test_split("a pretraining"):
            raise KeyError
        with pytest.raises(ClosedTestSplitError, match="a search"):
            require_open(Purpose.RETRAINING)


def test_another_thread_is_not_affected() -> None:
    found: list[BaseException] = []

    def retrain() -> None:
        try:
            require_open(Purpose.RETRAINING)
        except ClosedTestSplitError as error:
            found.append(error)

    with closed_test_split("a search"):
        thread = threading.Thread(target=retrain)
        thread.start()
        thread.join()
    assert not found


@pytest.mark.parametrize("travelled", [False, True])
def test_a_store_without_its_test_split_refuses_poses_and_hides_labels(
    travelled: bool, store: Store, test_part: np.ndarray
) -> None:
    closed = store.without(test_part)
    if travelled:
        closed = pickle.loads(pickle.dumps(closed))
    others = np.setdiff1d(np.arange(len(store)), test_part)
    np.testing.assert_array_equal(closed.labels[others], store.labels[others])
    assert set(closed.labels[test_part]) == {UNLABELLED}
    assert not closed.labelled[test_part].any()
    np.testing.assert_array_equal(closed.pose(int(others[0])), store.pose(int(others[0])))
    name = store.names[test_part[0]]
    with pytest.raises(ClosedTestSplitError, match=rf"store: test split: expected a sequence .*, got '{name}'; leave"):
        closed.pose(int(test_part[0]))
    assert closed.names == store.names
    assert closed.contents == store.contents
    assert store.labelled[test_part].all(), "the store itself is as it was"
    store.pose(int(test_part[0]))


def test_closing_more_keeps_closed_what_was(store: Store) -> None:
    closed = store.without(np.array([3])).without(np.array([5]))
    for index in (3, 5):
        with pytest.raises(ClosedTestSplitError):
            closed.pose(index)
    closed.pose(4)


def test_no_view_is_made_of_a_closed_sequence(store: Store, test_part: np.ndarray) -> None:
    views = build_views(ViewsConfig(frames=16), store=store.without(test_part), device=torch.device("cpu"))
    opened = torch.tensor(np.setdiff1d(np.arange(len(store)), test_part)[:4])
    generator = torch.Generator().manual_seed(0)
    assert len(views.random(opened, generator=generator)) == len(views.centre(opened, share=0.95)) == 4
    wrong = torch.cat([opened, torch.tensor(test_part[:1])])
    with pytest.raises(ClosedTestSplitError, match=store.names[test_part[0]]):
        views.random(wrong, generator=generator)
    with pytest.raises(ClosedTestSplitError, match=store.names[test_part[0]]):
        views.centre(wrong, share=0.95)
