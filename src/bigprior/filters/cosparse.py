"""Patches that a learned operator says little of: analysis K-SVD (Rubinstein, Peleg and Elad, 2012).

    x_hat = argmin |x - y|^2   with |Omega x|_0 as small as possible, within the noise of y

A patch is orthogonal to as many rows of ``Omega`` as its noise has room for: the row that says least of it is taken
out, again and again, until more than the noise would be.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bigprior.filters.groups import Sum, in_opponent_colours, patches_of
from bigprior.io.samples import Array

#: Side of a patch, how far apart patches are, rows, how many patches are learned from, and how often.
_SIDE, _STRIDE, _ROWS, _LEARNED, _ROUNDS = 7, 2, 98, 4_000, 4
#: How many rows of a patch say something of it, and the cosine from which on two rows are as good as one.
_FIRST, _LIKE = 16, 0.9
#: What is taken out of a patch is so many times its noise at most.
_GAIN = 1.15
_AT_ONCE = 8_192


def analysis_operator(picture: Array, sigma: float) -> Array:
    """Remove white noise from a picture (H, W, C) by an operator that is learned from its own patches."""

    def filtered(y: Tensor) -> Tensor:
        patches = patches_of(y, _SIDE)
        rows = y.shape[1] - _SIDE + 1, y.shape[2] - _SIDE + 1
        grid = torch.arange(len(patches)).view(rows)[::_STRIDE, ::_STRIDE].flatten()
        own = patches[grid].flatten(0, 1)
        means, most = own.mean(1, keepdim=True), _GAIN * sigma * _SIDE
        operator = _learned(own - means, most)
        clean = torch.cat([_within(part, operator, most)[0] for part in (own - means).split(_AT_ONCE)]) + means
        total = Sum(y, _SIDE)
        total.add(grid, clean.view(len(grid), len(y), -1))
        return total.mean(y)

    return in_opponent_colours(filtered, picture, _SIDE, _STRIDE)


def _learned(patches: Tensor, most: float) -> Tensor:
    """Rows (rows, values) of unit norm: each the direction that the patches which are orthogonal to it have least of.

    Only the first rows that a patch is orthogonal to say something of it. A row that would become one of those before
    it stays what it was; none is constant, which patches of mean 0 are orthogonal to for nothing.
    """
    rng = torch.Generator().manual_seed(0)
    some = patches[torch.randperm(len(patches), generator=rng)[:_LEARNED]]
    operator, constant = _differences(), torch.full((patches.shape[1],) * 2, 1e3)
    for _ in range(_ROUNDS):
        _, orthogonal = _within(some, operator, most, _FIRST)
        for k in range(len(operator)):
            own = some[orthogonal[:, k]]
            if len(own) <= own.shape[1]:
                continue
            row = torch.linalg.eigh(own.T @ own + constant)[1][:, 0]
            like = (operator @ row).abs()
            like[k] = 0
            if float(like.max()) < _LIKE:
                operator[k] = row
    return operator


def _differences() -> Tensor:
    """Differences of neighbours, of one step and of two, down and across, as the first operator (rows, values)."""
    eye = torch.eye(_SIDE**2).view(-1, _SIDE, _SIDE)
    found = []
    for apart in (1, 2):
        for dim in (1, 2):
            found.append((eye.narrow(dim, apart, _SIDE - apart) - eye.narrow(dim, 0, _SIDE - apart)).flatten(1).T)
    rows = torch.cat(found)
    rows = rows[torch.linspace(0, len(rows) - 1, _ROWS).round().long()]
    unit: Tensor = rows / rows.norm(dim=1, keepdim=True)
    return unit


def _within(patches: Tensor, operator: Tensor, most: float, rows: int | None = None) -> tuple[Tensor, Tensor]:
    """Backward greedy: patches (n, values) orthogonal to as many rows as leave them within ``most``, or to so many.

    Returns:
        The patches, and which rows they were made orthogonal to (n, rows), bool.
    """
    x, basis, active = patches.clone(), patches.new_zeros(len(patches), 0, patches.shape[1]), torch.arange(len(patches))
    orthogonal = torch.zeros(len(x), len(operator), dtype=torch.bool)
    for _ in range(patches.shape[1] - 1 if rows is None else rows):
        responses = (x[active] @ operator.T).abs()
        # Rows in the span of those that were taken out say nothing of the patch any longer.
        orthogonal[active] |= responses < 1e-3 * most / patches.shape[1]
        row = responses.masked_fill_(orthogonal[active], torch.inf).argmin(1)
        direction = operator[row]
        for _ in range(2):  # once is not enough in single precision
            direction = direction - ((basis @ direction[..., None]).mT @ basis)[:, 0]
        direction = direction / direction.norm(dim=1, keepdim=True).clamp_min(1e-6)
        nearer = x[active] - (x[active] * direction).sum(1, keepdim=True) * direction
        kept = (nearer - patches[active]).square().sum(1) <= most**2
        active, basis, direction = active[kept], basis[kept], direction[kept]
        if not len(active):
            break
        x[active] = nearer[kept]
        orthogonal[active, row[kept]] = True
        basis = torch.cat([basis, direction[:, None]], dim=1)
    return x, orthogonal
