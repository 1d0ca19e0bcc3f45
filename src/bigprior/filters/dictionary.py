"""Patches that few atoms make: a dictionary that is learned from the picture itself, K-SVD (Elad and Aharon, 2006).

    x_hat = argmin |x - y|^2 + beta |omega|_0   with |x - M omega| < epsilon        (Eq. 9)

Orthogonal matching pursuit takes as few atoms as say a patch but for its noise. Of all ``x`` within ``epsilon`` of what
they make, ``P = M omega``, the one nearest to the patch lies on the line between both:

    x_hat = (1 - phi) y + phi P,      phi = max(0, 1 - epsilon / |y - P|)

which is Eq. 5. ``epsilon`` = 0 is ``x in span(M)``, Eq. 10's limit, and ``phi`` = 1.
"""

from __future__ import annotations

import torch
from scipy.fft import dct
from torch import Tensor

from bigprior.filters import Weighed
from bigprior.filters.groups import Sum, closed, opened, patches_of
from bigprior.io.samples import Array

#: Side of a patch, atoms, how many patches are learned from, how often, and how many atoms a patch may have.
_SIDE, _ATOMS, _LEARNED, _ROUNDS, _MOST = 8, 16, 20_000, 10, 24
#: ``epsilon`` for noise: a patch of it is as far from the truth as so many times its standard deviation a pixel.
GAIN = 1.13
#: Share of the measurement in the mean of patches, by its noise: 0.5 / (sigma of 255) in [0, 1], as the authors have.
_KEPT = 0.5 / 255
_AT_ONCE = 16_384


def learned_dictionary(picture: Array, sigma: float) -> Array:
    """Remove white noise from a picture (H, W, C) by the atoms that its own patches are made of.

    A pixel is the mean of its 64 patches and of the measurement, which counts as much as a little of a patch.
    """
    share = min(1.0, _KEPT / max(sigma, _KEPT))
    return picture + (within(picture, sigma, 0.0).prior - picture) / (1 + share)


def within(picture: Array, sigma: float, epsilon: float) -> Weighed:
    """Eq. 9 of every patch of a picture (H, W, C), and their mean where they overlap.

    Args:
        picture: with noise.
        sigma: its level.
        epsilon: how far a patch may be from the span of its atoms, in units of the noise's norm; 0: it lies in it.
    """
    y = opened(picture, _SIDE, 1)
    patches = patches_of(y, _SIDE)
    means = patches.mean(2, keepdim=True)
    rest, noise = (patches - means).flatten(0, 1), sigma * _SIDE
    atoms = learn(rest, GAIN * noise)
    made = torch.cat([span(part, atoms, GAIN * noise) for part in rest.split(_AT_ONCE)]).view(patches.shape) + means
    far = (patches - made).flatten(1).norm(dim=1)
    phi = (1 - epsilon * noise * len(y) ** 0.5 / far.clamp_min(1e-12)).clamp(0, 1)
    prior, shares, places = Sum(y, _SIDE), Sum(y[:1], _SIDE), torch.arange(len(patches))
    prior.add(places, made, phi)
    shares.add(places, phi[:, None, None].expand(-1, 1, _SIDE**2))
    share, believed = shares.mean(y[:1]), prior.mean(y)
    size = picture.shape[:2]
    weight, known = closed(share, size), closed(believed, size)
    return Weighed((1 - weight) * picture + weight * known, weight, known)


def cosines(side: int = _SIDE, count: int = _ATOMS) -> Tensor:
    """An overcomplete dictionary of cosines, (``count``^2, ``side``^2), rows of unit norm."""
    waves = torch.from_numpy(dct(torch.eye(count).numpy(), axis=0)[:, :side].copy()).float()
    waves = torch.stack([wave - wave.mean() if i else torch.ones(side) for i, wave in enumerate(waves)])
    atoms = torch.kron(waves, waves)
    unit: Tensor = atoms / atoms.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return unit


def learn(patches: Tensor, epsilon: float) -> Tensor:
    """Atoms (256, values) for patches (n, values) of mean 0: approximate K-SVD (Rubinstein et al., 2008), from cosines.

    Each round codes patches, and then moves each atom to the direction that the patches that use it leave open.
    """
    rng = torch.Generator().manual_seed(0)
    some = patches[torch.randperm(len(patches), generator=rng)[:_LEARNED]]
    atoms = cosines()
    for _ in range(_ROUNDS):
        codes = torch.cat([pursuit(part, atoms, epsilon) for part in some.split(_AT_ONCE)])
        rest = some - codes @ atoms
        columns, rows = codes.T.nonzero(as_tuple=True)
        used_by = rows.split(torch.bincount(columns, minlength=len(atoms)).tolist())
        for k in range(1, len(atoms)):  # the constant stays
            users = used_by[k]
            if not len(users):
                worst = rest.square().sum(1).argmax()
                if float(rest[worst].norm()) > 1e-6:
                    atoms[k], rest[worst] = rest[worst] / rest[worst].norm(), 0
                continue
            own = rest[users] + codes[users, k, None] * atoms[k]
            atom = codes[users, k] @ own
            atoms[k] = atom / atom.norm().clamp_min(1e-12)
            codes[users, k] = own @ atoms[k]
            rest[users] = own - codes[users, k, None] * atoms[k]
    return atoms


def span(patches: Tensor, atoms: Tensor, epsilon: float) -> Tensor:
    """What the atoms make of patches (n, values): within ``epsilon`` of each, if that many atoms are enough."""
    return pursuit(patches, atoms, epsilon) @ atoms


def pursuit(patches: Tensor, atoms: Tensor, epsilon: float, most: int = _MOST) -> Tensor:
    """Orthogonal matching pursuit: codes (n, atoms) of patches (n, values), of as few atoms as possible.

    Each patch takes the atom most like what is left of it until less than ``epsilon`` is.
    """
    codes = patches.new_zeros(len(patches), len(atoms))
    active = (patches.square().sum(1) > epsilon**2).nonzero()[:, 0]
    gram, rest = atoms @ atoms.T, patches[active]
    projections = rest @ atoms.T
    chosen, inner = torch.empty(len(active), 0, dtype=torch.long), projections
    for count in range(1, min(most, atoms.shape[1]) + 1):
        if not len(active):
            break
        weight = inner.abs().scatter_(1, chosen, 0)
        chosen = torch.cat([chosen, weight.argmax(1, keepdim=True)], dim=1)
        own = gram[chosen[:, :, None], chosen[:, None]] + 1e-6 * torch.eye(count)
        values = torch.linalg.solve(own, projections.gather(1, chosen)[..., None])[..., 0]
        rest = patches[active] - (values[:, None] @ atoms[chosen])[:, 0]
        codes[active] = codes.new_zeros(len(active), len(atoms)).scatter_(1, chosen, values)
        open_ = rest.square().sum(1) > epsilon**2
        active, chosen, projections = active[open_], chosen[open_], projections[open_]
        inner = rest[open_] @ atoms.T
    return codes
