from __future__ import annotations

import torch
from torch.nn.functional import normalize

from hico_platform.enums import Representation
from hico_platform.model.projector import unit_vectors
from tests.unit.model.test_hico import make, tokens


def test_unit_vectors_are_each_projection_over_its_length() -> None:
    generator = torch.Generator().manual_seed(0)
    projections = {name: torch.randn(3, 4, 6, generator=generator) for name in Representation}
    projections[Representation.CLIP] = projections[Representation.CLIP][:, :1].bfloat16()
    for name, found in unit_vectors(projections).items():
        assert found.dtype is torch.float32
        torch.testing.assert_close(found, normalize(projections[name].float(), dim=-1))


def test_a_query_is_projected_at_the_granularity_that_is_contrasted_alone() -> None:
    model = make()
    whole, anchors = model.query(tokens(1)), model.query(tokens(1), anchors=True)
    for name, projection in anchors.items():
        expected = whole[name][:, :1] if name in (Representation.CLIP, Representation.PART) else whole[name]
        torch.testing.assert_close(projection, expected)
