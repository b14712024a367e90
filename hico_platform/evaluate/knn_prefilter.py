"""Approximate cosines with a bound on their error: they rule out nearly every pair, and float64 decides the rest.

With c the centre of the gallery's directions and r = q - c, the cosine of unit vectors is q.g = r.g + c.g. Features of
one encoder point much the same way, so r is short, and the errors below are in proportion to its norm.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

CHUNK_ROWS = 128  # rows of features prepared at a time on a CPU: they stay in the cache
_CENTRE_SAMPLE = 4096  # rows of the gallery that the centre is taken from
_ROUNDOFF = 2.0**-24  # a float32 operation errs by at most this share of its result
_SUM_CHUNK = 64  # terms summed in float32 before float64 takes over
# Unit vectors, differences and offsets are at most 2 long, and off by a few roundings and the error of a norm.
_ERROR_MARGIN = 16 * _SUM_CHUNK * _ROUNDOFF
_NORM_MARGIN = 1.01  # norms that enter a bound are float32 sums themselves
_LEAST_NORM, _LARGEST_NORM = 1e-30, 1e30
_REFINED_SHARE = 0.02  # share of the pairs beyond which refining them one by one costs more than a whole product
_INT8_FROM = 2.0**33  # multiplications; below, quantizing the gallery does not pay
_INT8_MAX_WIDTH = 2**31 // 127**2  # so that a sum of products fits into int32


class ApproximateCosines(NamedTuple):
    """Cosines and a bound on their error: (b, n) and (b, 1), or (p,) and (p,)."""

    cosines: Tensor
    error: Tensor


class Prefilter(Protocol):
    """A gallery (n, F) prepared for blocks of queries (b, F)."""

    def cosines(self, queries: Tensor) -> ApproximateCosines:
        """Every query with every row of the gallery."""

    def refine(self, queries: Tensor, rows: Tensor, columns: Tensor) -> ApproximateCosines | None:
        """Better cosines of queries ``rows`` (p,), ascending, with gallery rows ``columns`` (p,); None: it has none."""


def choose_prefilter(gallery: Tensor, queries: int) -> Prefilter:
    """The fastest for this device and size; the neighbours are the same with each."""
    large = float(gallery.numel()) * queries >= _INT8_FROM and gallery.shape[1] <= _INT8_MAX_WIDTH
    if large and gallery.device.type == "cpu" and gallery.dtype is torch.float32 and has_int8_products():
        return Int8Prefilter(gallery)
    return Float32Prefilter(gallery)


def has_int8_products() -> bool:
    """Whether this CPU multiplies int8 faster than float32 (VNNI or AMX)."""
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    names = ("avx512_vnni", "avx_vnni", "amx_int8")
    return hasattr(torch, "_int_mm") and any(capabilities.get(name) for name in names)


def norms_of(features: Tensor) -> tuple[Tensor, Tensor]:
    """Norms (n,) in float64 and which rows (n,) have a direction; the norm of a row that has none is given as 1.

    A row has none where its norm is 0, beyond float32's range, or not a number.
    """
    norms = _sum(features.square()).sqrt()
    has_direction = (norms > _LEAST_NORM) & (norms < _LARGEST_NORM)
    return norms.where(has_direction, 1.0), has_direction


def _sum(terms: Tensor) -> Tensor:
    """Sums (n,) of rows (n, F) in float64; float32 terms in short chunks first, which spares a copy in float64."""
    chunked = terms.shape[1] // _SUM_CHUNK * _SUM_CHUNK
    chunks = terms[:, :chunked].reshape(len(terms), -1, _SUM_CHUNK).sum(dim=2)
    return chunks.double().sum(dim=1) + terms[:, chunked:].double().sum(dim=1)


def _normalised(features: Tensor) -> Tensor:
    """Unit vectors (n, F) in float32, zeros where a row has no direction."""
    norms, has_direction = norms_of(features)
    unit: Tensor = features.to(torch.float32) / norms[:, None].to(torch.float32)
    if not bool(has_direction.all()):
        unit = unit.where(has_direction[:, None], 0.0)
    return unit


def _norm_bound(vectors: Tensor) -> Tensor:
    """At least the norms (n,) of rows (n, F)."""
    norms: Tensor = torch.linalg.vector_norm(vectors, dim=1)
    return norms * _NORM_MARGIN


def _dot_error(terms: int) -> float:
    """Largest share of |a| |b| by which a float32 product a.b of so many terms errs, in whatever order it is summed."""
    return terms * _ROUNDOFF / (1 - terms * _ROUNDOFF)


class Float32Prefilter:
    """Products in float32 with the gallery as it lies: no copy is made of it."""

    def __init__(self, gallery: Tensor) -> None:
        self._gallery = gallery.to(torch.float32)
        sample = self._gallery[:: max(1, len(gallery) // _CENTRE_SAMPLE)]
        self.centre = torch.stack([_normalised(rows).mean(dim=0) for rows in sample.split(CHUNK_ROWS)]).mean(dim=0)
        chunk = CHUNK_ROWS if gallery.device.type == "cpu" else 64 * CHUNK_ROWS
        norms = [norms_of(rows) for rows in self._gallery.split(chunk)]
        self.has_direction = torch.cat([has_direction for _, has_direction in norms])  # (n,)
        self._all_have_direction = bool(self.has_direction.all())
        self.inverse_norms = torch.cat([of_rows for of_rows, _ in norms]).reciprocal().to(torch.float32)  # (n,)
        self.offsets = torch.cat([self.dot_centre(_normalised(rows)) for rows in self._gallery.split(chunk)])  # c.g
        self._dot_error = _dot_error(gallery.shape[1])
        # A matrix product may take its operands in TensorFloat-32 or bfloat16 where the user or device allows it.
        exact = gallery.device.type == "cpu" and torch.get_float32_matmul_precision() == "highest"
        self._operand_error = 0.0 if exact else 2.0**-7

    def residual(self, queries: Tensor) -> Tensor:
        """r of each query, (b, F)."""
        return _normalised(queries) - self.centre

    def dot_centre(self, vectors: Tensor) -> Tensor:
        """Products (n,) with c."""
        return _sum(vectors * self.centre).to(torch.float32)

    def cosines(self, queries: Tensor) -> ApproximateCosines:
        """Every query with every row of the gallery."""
        residual = self.residual(queries)
        cosines = (residual @ self._gallery.T).mul_(self.inverse_norms).add_(self.offsets)  # (b, n)
        if not self._all_have_direction:
            cosines.masked_fill_(~self.has_direction, 0.0)
        error = _norm_bound(residual) * (self._dot_error + self._operand_error) + _ERROR_MARGIN
        return ApproximateCosines(cosines, error[:, None])

    def refine(self, queries: Tensor, rows: Tensor, columns: Tensor) -> ApproximateCosines | None:
        """None: the products were as good."""
        return None


class Int8Prefilter:
    """Products in int8, four times as many a second; the rounding is measured row by row and bounds the error."""

    def __init__(self, gallery: Tensor) -> None:
        self._float32 = Float32Prefilter(gallery)
        self._gallery = gallery
        count, width = gallery.shape
        self._quantized = torch.empty(count, width, dtype=torch.int8, device=gallery.device)
        self._scales = torch.empty(count, device=gallery.device)
        self._max_norm = self._max_rounding = 0.0
        for start in range(0, count, CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            quantized = _quantize(self._float32.residual(gallery[rows]))
            self._quantized[rows], self._scales[rows] = quantized.values, quantized.scales
            self._max_norm = max(self._max_norm, float(quantized.norms.max()))
            self._max_rounding = max(self._max_rounding, float(quantized.rounding.max()))

    def cosines(self, queries: Tensor) -> ApproximateCosines:
        """Every query with every row of the gallery."""
        residual = self._float32.residual(queries)
        values, scales, norms, rounding = _quantize(residual)
        cosines = torch._int_mm(values, self._quantized.T).float().mul_(scales[:, None])  # (b, n); the sums are exact
        torch.addcmul(self._float32.offsets, cosines, self._scales, out=cosines)
        # r.g = r.(g - c) + r.c
        cosines += self._float32.dot_centre(residual)[:, None]
        error = rounding * self._max_norm + (norms + rounding) * self._max_rounding + _ERROR_MARGIN
        return ApproximateCosines(cosines, error[:, None])

    def refine(self, queries: Tensor, rows: Tensor, columns: Tensor) -> ApproximateCosines | None:
        """In float32: pair by pair without gathering rows, or by a whole product where int8 ruled out too little."""
        count = self._gallery.shape[0]
        if len(rows) > _REFINED_SHARE * len(queries) * count:
            cosines, error = self._float32.cosines(queries)
            return ApproximateCosines(cosines[rows, columns], error[rows, 0])
        residual = self._float32.residual(queries)
        ends = rows.bincount(minlength=len(queries)).cumsum(0)
        with warnings.catch_warnings(action="ignore"):  # torch calls its sparse tensors a beta
            pattern = torch.sparse_csr_tensor(
                pad(ends, (1, 0)), columns, torch.zeros(len(columns)), (len(queries), count), check_invariants=False
            )
            products = torch.sparse.sampled_addmm(pattern, residual, self._gallery.T, beta=0.0).values()
        cosines = products * self._float32.inverse_norms[columns] + self._float32.offsets[columns]
        error = _norm_bound(residual) * _dot_error(residual.shape[1]) + _ERROR_MARGIN
        return ApproximateCosines(cosines.where(self._float32.has_direction[columns], 0.0), error[rows])


class _Quantized(NamedTuple):
    """Vectors as int8 ``values`` (b, F) times ``scales`` (b,).

    ``norms`` (b,) and ``rounding`` (b,) bound the norm of each vector and of what the rounding took from it.
    """

    values: Tensor
    scales: Tensor
    norms: Tensor
    rounding: Tensor


def _quantize(vectors: Tensor) -> _Quantized:
    least, most = vectors.aminmax(dim=1)
    scales = (torch.maximum(most, -least) / 127).clamp_min(_LEAST_NORM)
    values = (vectors / scales[:, None]).round_()
    rounding = _norm_bound(torch.addcmul(vectors, values, scales[:, None], value=-1))
    return _Quantized(values.to(torch.int8), scales, _norm_bound(vectors), rounding)
