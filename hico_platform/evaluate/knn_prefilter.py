"""Quick cosines with a bound on their error: they rule out nearly every pair, and the rest is decided in float64.

With m a direction in the middle of the gallery and r = q - m, the cosine of unit vectors is q.g = r.g + m.g. Features
of one encoder point much the same way, so r is short, and the errors below are in proportion to it.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

ROWS = 128  # of features that are prepared at a time on a CPU: they stay in the cache
_MIDDLE_OF = 4096
_UNIT = 2.0**-24  # a float32 operation errs by at most this share of its result
_RUN = 64  # terms summed in float32 before float64 takes over
# Unit vectors, differences and offsets are at most 2 long, and off by a few roundings and a norm's error, _RUN of them.
_SLACK = 16 * _RUN * _UNIT
_NORM_SLACK = 1.01  # norms that enter a bound are float32 sums themselves
_SMALLEST, _LARGEST = 1e-30, 1e30
_MANY = 0.02  # share of the pairs beyond which refining them one by one costs more than a whole product
_INT8_FROM = 2.0**33  # multiplications; below, making the gallery ready does not pay
_INT8_WIDEST = 2**31 // 127**2


class ApproximateCosines(NamedTuple):
    """Cosines and how far they may be from the truth: (b, n) and (b, 1), or (p,) and (p,)."""

    cosines: Tensor
    error: Tensor


class Screen(Protocol):
    """A gallery (n, F) made ready for blocks of queries (b, F)."""

    def block(self, queries: Tensor) -> ApproximateCosines:
        """Every query with every row of the gallery."""

    def pairs(self, queries: Tensor, rows: Tensor, places: Tensor) -> ApproximateCosines | None:
        """Better cosines of some pairs, ``rows`` (p,) ascending; None where it has no quick way to them."""


def choose_screen(gallery: Tensor, queries: int) -> Screen:
    """The fastest for this device and size; the neighbours found are the same with each."""
    large = float(gallery.numel()) * queries >= _INT8_FROM and gallery.shape[1] <= _INT8_WIDEST
    if large and gallery.device.type == "cpu" and gallery.dtype is torch.float32 and has_int8_products():
        return Int8Screen(gallery)
    return FloatScreen(gallery)


def has_int8_products() -> bool:
    """Whether this CPU multiplies int8 faster than float32 (VNNI or AMX)."""
    known: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return hasattr(torch, "_int_mm") and any(known.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))


def norms_of(features: Tensor) -> tuple[Tensor, Tensor]:
    """Norms (n,) in float64, 1 where a row has no direction, and which rows (n,) have one; float32 or float64."""
    norms = _sum(features.square()).sqrt()
    usable = (norms > _SMALLEST) & (norms < _LARGEST)
    return norms.where(usable, 1.0), usable


def _sum(terms: Tensor) -> Tensor:
    """Sums (n,) of rows (n, F) in float64; float32 terms in short runs first, which spares a copy in float64."""
    whole = terms.shape[1] // _RUN * _RUN
    runs = terms[:, :whole].reshape(len(terms), -1, _RUN).sum(dim=2)
    return runs.double().sum(dim=1) + terms[:, whole:].double().sum(dim=1)


def _unit(features: Tensor) -> Tensor:
    norms, usable = norms_of(features)
    unit: Tensor = features.to(torch.float32) / norms[:, None].to(torch.float32)
    if not bool(usable.all()):
        unit = unit.where(usable[:, None], 0.0)
    return unit


def _length(vectors: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vectors, dim=1)
    return length * _NORM_SLACK


def _rounding(terms: int) -> float:
    """Largest share of |a| |b| by which a float32 product a.b of so many terms errs, in whatever order it is summed."""
    return terms * _UNIT / (1 - terms * _UNIT)


class FloatScreen:
    """Products in float32 with the gallery as it lies: no copy is made of it."""

    def __init__(self, gallery: Tensor) -> None:
        self._gallery = gallery.to(torch.float32)
        some = self._gallery[:: max(1, len(gallery) // _MIDDLE_OF)]
        self.middle = torch.stack([_unit(rows).mean(dim=0) for rows in some.split(ROWS)]).mean(dim=0)  # m, (F,)
        at_once = ROWS if gallery.device.type == "cpu" else 64 * ROWS
        known = [norms_of(rows) for rows in self._gallery.split(at_once)]
        self.usable = torch.cat([usable for _, usable in known])  # (n,)
        self._some_unusable = not bool(self.usable.all())
        self.inverse = torch.cat([norms for norms, _ in known]).reciprocal().to(torch.float32)  # (n,)
        self.offsets = torch.cat([self.along_middle(_unit(rows)) for rows in self._gallery.split(at_once)])  # m.g, (n,)
        self._rounding = _rounding(gallery.shape[1])
        # A matrix product may take its operands in TensorFloat-32 or bfloat16 where the user or device allows it.
        exact = gallery.device.type == "cpu" and torch.get_float32_matmul_precision() == "highest"
        self._operands = 0.0 if exact else 2.0**-7

    def residual(self, queries: Tensor) -> Tensor:
        """r, (b, F)."""
        return _unit(queries) - self.middle

    def along_middle(self, vectors: Tensor) -> Tensor:
        """Products (n,) with m."""
        return _sum(vectors * self.middle).to(torch.float32)

    def block(self, queries: Tensor) -> ApproximateCosines:
        """Every query with every row of the gallery."""
        residual = self.residual(queries)
        cosines = (residual @ self._gallery.T).mul_(self.inverse).add_(self.offsets)  # (b, n)
        if self._some_unusable:
            cosines.masked_fill_(~self.usable, 0.0)
        error = _length(residual) * (self._rounding + self._operands) + _SLACK
        return ApproximateCosines(cosines, error[:, None])

    def pairs(self, queries: Tensor, rows: Tensor, places: Tensor) -> ApproximateCosines | None:
        """None: the products were as good."""
        return None


class Int8Screen:
    """Products in int8, four times as many a second; rounding is measured row by row, and bounds the error."""

    def __init__(self, gallery: Tensor) -> None:
        self._floats = FloatScreen(gallery)
        self._gallery = gallery
        count, width = gallery.shape
        self._whole = torch.empty(count, width, dtype=torch.int8, device=gallery.device)
        self._scales = torch.empty(count, device=gallery.device)
        self._longest = self._coarsest = 0.0
        for start in range(0, count, ROWS):
            rows = slice(start, start + ROWS)
            whole, scale, length, lost = _to_int8(self._floats.residual(gallery[rows]))
            self._whole[rows], self._scales[rows] = whole, scale
            self._longest = max(self._longest, float(length.max()))
            self._coarsest = max(self._coarsest, float(lost.max()))

    def block(self, queries: Tensor) -> ApproximateCosines:
        """Every query with every row of the gallery."""
        residual = self._floats.residual(queries)
        whole, scale, length, lost = _to_int8(residual)
        cosines = torch._int_mm(whole, self._whole.T).float().mul_(scale[:, None])  # (b, n); the sums are exact
        torch.addcmul(self._floats.offsets, cosines, self._scales, out=cosines)
        # r.g = r.(g - m) + r.m
        cosines += self._floats.along_middle(residual)[:, None]
        error = lost * self._longest + (length + lost) * self._coarsest + _SLACK
        return ApproximateCosines(cosines, error[:, None])

    def pairs(self, queries: Tensor, rows: Tensor, places: Tensor) -> ApproximateCosines | None:
        """In float32: pair by pair without gathering rows, or by a whole product where int8 ruled out too little."""
        count = self._gallery.shape[0]
        if len(rows) > _MANY * len(queries) * count:
            cosines, error = self._floats.block(queries)
            return ApproximateCosines(cosines[rows, places], error[rows, 0])
        residual = self._floats.residual(queries)
        ends = rows.bincount(minlength=len(queries)).cumsum(0)
        with warnings.catch_warnings(action="ignore"):  # torch calls its sparse tensors a beta
            pattern = torch.sparse_csr_tensor(
                pad(ends, (1, 0)), places, torch.zeros(len(places)), (len(queries), count), check_invariants=False
            )
            products = torch.sparse.sampled_addmm(pattern, residual, self._gallery.T, beta=0.0).values()
        cosines = products * self._floats.inverse[places] + self._floats.offsets[places]
        error = _length(residual) * _rounding(residual.shape[1]) + _SLACK
        return ApproximateCosines(cosines.where(self._floats.usable[places], 0.0), error[rows])


def _to_int8(vectors: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Whole numbers (b, F), their scale (b,), the length of each vector (b,) and of what rounding took from it (b,)."""
    least, most = vectors.aminmax(dim=1)
    scale = (torch.maximum(most, -least) / 127).clamp_min(_SMALLEST)
    whole = (vectors / scale[:, None]).round_()
    lost = _length(torch.addcmul(vectors, whole, scale[:, None], value=-1))
    return whole.to(torch.int8), scale, _length(vectors), lost
