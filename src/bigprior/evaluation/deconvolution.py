"""What users compare with where pictures are blurred, small or mosaics: packages' methods, as rows of a table."""

from __future__ import annotations

from collections.abc import Callable

import deepinv as dinv
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior.degradations import Degradation
from bigprior.io.arrays import as_picture, to_numpy
from bigprior.io.samples import Array

#: Of Richardson and Lucy: scikit-image's own example has as many.
_ITERATIONS = 30
#: Weight of total variation, times the noise.
_TV = 0.15


def is_smaller(physics: type[Degradation]) -> bool:
    """Whether pictures were made smaller."""
    return physics.does == "smaller"


def is_blurred(physics: type[Degradation]) -> bool:
    """Whether pictures were blurred by a kernel that is known."""
    return physics.does == "blurred"


def is_mosaic(physics: type[Degradation]) -> bool:
    """Whether a sensor measured one colour a pixel."""
    return physics.does == "mosaic"


def malvar(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
    """Malvar, He and Cutler's linear filters, as the package has them."""
    from colour_demosaicing import demosaicing_CFA_Bayer_Malvar2004

    return _coloured(y, demosaicing_CFA_Bayer_Malvar2004, physics)


def menon(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
    """Menon, Andriani and Calvagno's directional filters (DDFAPD), as the package has them."""
    from colour_demosaicing import demosaicing_CFA_Bayer_Menon2007

    return _coloured(y, demosaicing_CFA_Bayer_Menon2007, physics)


def _coloured(y: Tensor, one: Callable[[Array, str], Array], physics: Degradation) -> Tensor:
    return as_picture(np.clip(one(y[0, 0].double().numpy(), str(physics.pattern).upper()), 0, 1))


def bicubic(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
    """Bicubic interpolation."""
    return F.interpolate(y, size=physics.picture_size(y), mode="bicubic", align_corners=False)


def wiener(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
    """Orieux and others' Wiener filter, which finds how much of the picture is noise."""
    from skimage.restoration import unsupervised_wiener

    return _channels(y, lambda channel, psf: unsupervised_wiener(channel, psf, rng=0)[0], physics)


def richardson_lucy(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
    """Richardson and Lucy's iterations, of a picture whose opposite borders join, as its blur had it."""
    from skimage.restoration import richardson_lucy as iterate

    def one(channel: Array, psf: Array) -> Array:
        margin = max(psf.shape)
        wide = np.pad(np.clip(channel, 0, 1), margin, mode="wrap")
        found: Array = iterate(wide, psf, _ITERATIONS)
        return found[margin:-margin, margin:-margin]

    return _channels(y, one, physics)


def _channels(y: Tensor, one: Callable[[Array, Array], Array], physics: Degradation) -> Tensor:
    kernel = physics.kernel
    assert isinstance(kernel, Tensor)
    picture, psf = to_numpy(y, np.float64), kernel.double().numpy()
    return as_picture(np.clip(np.stack([one(picture[..., c], psf) for c in range(3)], axis=2), 0, 1))


def total_variation(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
    """Deepinv's total variation, minimised by its proximal gradient (FISTA)."""
    level = max(sigma or 0.0, 1 / 255)
    tv, step = dinv.models.TVDenoiser(n_it_max=20), 1.0
    x = before = physics.proximal(torch.full((1, 3, *physics.picture_size(y)), 0.5), y, torch.tensor([level]), 0.1)
    for i in range(_ITERATIONS):
        ahead = x + i / (i + 3) * (x - before)
        gradient = physics.A_adjoint(physics.A(ahead) - y)
        before, x = x, tv(ahead - step * gradient, _TV * step * level)
    return x.clamp(0, 1)
