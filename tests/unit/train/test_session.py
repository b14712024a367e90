"""A session trains as a configuration says: the same as model, optimiser, state and loop put together by hand."""

from __future__ import annotations

import pytest
import torch

from hico_platform.build import build_model, build_optimiser, build_views, learning_rate
from hico_platform.data.store import Store
from hico_platform.errors import DataError
from hico_platform.train.loop import pretrain
from hico_platform.train.session import TrainingSession, begin_session
from hico_platform.train.state import TrainingState
from tests.small import small_config, small_store

CPU = torch.device("cpu")
CONFIG = small_config(
    budget__epochs=3, budget__seed=5, optimiser__schedule="cosine", optimiser__clip_gradient_norm=0.01
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("data") / "store", count=24)


def session_on(store: Store, **values: object) -> TrainingSession:
    config = small_config(
        budget__epochs=3, budget__seed=5, optimiser__schedule="cosine", optimiser__clip_gradient_norm=0.01, **values
    )
    return begin_session(config, layout=store.layout, device=CPU)


def test_weights_are_those_of_the_configured_loop(store: Store) -> None:
    model = build_model(CONFIG, layout=store.layout, device=CPU)
    state = TrainingState(model=model, optimiser=build_optimiser(CONFIG.optimiser, model=model), seed=5)
    views, sequences = build_views(CONFIG.views, store=store, device=CPU), torch.arange(len(store))
    by_hand = list(
        pretrain(
            state,
            views=views,
            train=sequences,
            epochs=3,
            batch_size=CONFIG.budget.batch_size,
            learning_rate=lambda epoch: learning_rate(CONFIG.optimiser, epoch=epoch, epochs=3),
            clip_gradient_norm=0.01,
        )
    )
    session = session_on(store)
    results = list(session.train(views=views, sequences=sequences))
    assert [result.losses for result in results] == [result.losses for result in by_hand]
    for name, value in state.tensors().items():
        assert torch.equal(session.state.tensors()[name], value), name
    assert session.encoder is session.state.model.query.encoder


def test_what_is_given_goes_before_what_is_configured(store: Store) -> None:
    session = session_on(store)
    before = {name: value.clone() for name, value in session.encoder.named_parameters()}
    views, rates = build_views(CONFIG.views, store=store, device=CPU), []
    trained = session.train(
        views=views,
        sequences=torch.arange(len(store)),
        epochs=2,
        batch_size=6,
        rate=lambda epoch: rates.append(epoch) or 0.0,
    )
    assert [result.epoch for result in trained] == [1, 2]
    assert rates == [0, 1]
    for name, value in session.encoder.named_parameters():
        assert torch.equal(value, before[name]), name
    with pytest.raises(DataError, match="batch_size"):
        list(session.train(views=views, sequences=torch.arange(5), batch_size=6))
