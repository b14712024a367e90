"""Features laid out in a plane by t-SNE (van der Maaten and Hinton 2008), scikit-learn's, for a figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

MOST_SEQUENCES = 2000
"""So many are laid out; more lie over one another, and t-SNE takes minutes."""
COMPONENTS = 50
"""Principal components that t-SNE is given, as its authors did."""
_PERPLEXITY = 30.0
_FEWEST_SEQUENCES = 4


@dataclass(frozen=True, kw_only=True)
class FeatureMap:
    """Where sequences lie: ``positions`` float32 (m, 2) of the rows ``sequences`` int64 (m,), ascending."""

    positions: npt.NDArray[np.float32]
    sequences: npt.NDArray[np.int64]


def feature_map(features: Tensor, *, seed: int) -> FeatureMap | None:
    """Lays out features (q, F), or MOST_SEQUENCES of them that ``seed`` draws, by their cosines, as kNN sees them.

    None where fewer than four sequences, or features that do not differ or are not finite, have no layout.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    drawn = np.random.default_rng(seed).permutation(len(features))[:MOST_SEQUENCES]
    sequences = np.sort(drawn).astype(np.int64)
    chosen = features[torch.from_numpy(sequences).to(features.device)].float()
    rows = torch.nn.functional.normalize(chosen, dim=1).cpu().numpy()
    if len(rows) < _FEWEST_SEQUENCES or not np.isfinite(rows).all() or np.ptp(rows, axis=0).max(initial=0) < 1e-6:
        return None
    components = PCA(n_components=min(COMPONENTS, *rows.shape), random_state=seed).fit_transform(rows)
    perplexity = min(_PERPLEXITY, (len(rows) - 1) / 3)
    found = TSNE(perplexity=perplexity, init="random", random_state=seed).fit_transform(components)
    return FeatureMap(positions=found.astype(np.float32), sequences=sequences)
