from __future__ import annotations

import pytest
import torch

from hico_platform.enums import EncoderType, Representation
from tests.unit.model.test_hico import make, tokens


@pytest.mark.parametrize("encoder", EncoderType)
@pytest.mark.parametrize("granularities", [1, 2, 4])
def test_shapes_of_features_and_projections(encoder: EncoderType, granularities: int) -> None:
    model = make(encoder, granularities=granularities)
    features = model.query.encoder(tokens(1))
    assert features.temporal.shape == features.spatial.shape == (5, granularities, 16)
    assert features.instance().shape == (5, 2 * granularities * 16) == (5, model.query.encoder.feature_width)
    for name, projection in model.query(tokens(1)).items():
        at_each_granularity = name in (Representation.CLIP, Representation.PART)
        assert projection.shape == ((5, granularities, 8) if at_each_granularity else (5, 8))
        torch.testing.assert_close(projection.norm(dim=-1), torch.ones(projection.shape[:-1]))
