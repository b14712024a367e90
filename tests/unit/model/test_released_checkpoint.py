from __future__ import annotations

from hico_platform.model.released_checkpoint import encoder_entry, without_wrapper


def test_the_wrapper_of_data_parallel_is_taken_off_where_all_have_it() -> None:
    assert without_wrapper(["module.a", "module.b"]) == {"a": "module.a", "b": "module.b"}
    assert without_wrapper(["module.a", "b"]) == {"module.a": "module.a", "b": "b"}
    assert without_wrapper([]) == {}


def test_an_entry_of_the_encoder_has_the_name_of_both_kinds_of_state() -> None:
    assert encoder_entry("temporal.embedding.0.weight") == "hi_encoder.t_embedding.0.weight"
    assert encoder_entry("spatial.sequence.rnn.weight_ih_l0") == "hi_encoder.s_encoder.weight_ih_l0"
