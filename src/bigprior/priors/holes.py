"""Holes, each filled by what is best at it: those in plain surroundings and specks smoothly, scratches by a surface
that a denoiser goes on with, others by a prior.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bigprior.degradations import Measurement
from bigprior.errors import SettingsError
from bigprior.filters.quilting import quilted
from bigprior.io.samples import Array
from bigprior.ops import filling
from bigprior.ops.boxes import box_mean
from bigprior.ops.masks import smooth_fill
from bigprior.priors.anysize import AnySize
from bigprior.priors.base import Prior, Projection
from bigprior.priors.continuing import Continuing
from bigprior.progress import Progress

#: Where a denoiser goes on with surfaces: how wide a scratch may be, in pixels. Chosen on scratched photographs.
_SCRATCH_PX = 8
#: How far around a wide hole texture is looked for, in pixels; holes that are nearer to each other than twice that are
#: textured together.
_AROUND_PX = 48


class ByHole(Prior):
    """A prior for holes that are wide and in uneven surroundings; the others are filled smoothly.

    Where a prior is asked, its filling goes over into what is known as a smooth surface does.

    Args:
        prior: works at its ``resolution``, or at any size.
        thin_px: where no square of more than so many pixels a side has room in a hole, the filling is a biharmonic
            surface; 0: nowhere.
        continuing: goes on with such surfaces, of scratches of up to 8 pixels; specks of ``2 thin_px`` stay as they
            are, since a scan has hundreds of them.
        texture: which share of the detail that is known around a wide hole its filling gets where it has too little,
            see :func:`bigprior.filters.quilting.quilted`; 0: its own alone.
    """

    any_size = frozenset({"tiles", "whole", "hole"})

    def __init__(
        self, prior: Prior, *, thin_px: int = 0, continuing: Continuing | None = None, texture: float = 0.0
    ) -> None:
        super().__init__()
        self.prior, self.thin_px, self.continuing, self.texture = prior, thin_px, continuing, texture
        self.resolution = prior.resolution

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """Pictures that are the measurement's outside its holes.

        ``codes`` and ``history`` are the prior's, where it was asked.

        Raises:
            SettingsError: a measurement that says of no holes.
        """
        if m.hole is None:
            raise SettingsError(f"{m.degradation.name} is filled by its holes, but says of none: give it a hole()")
        lost, filled = m.hole[:, 0].cpu().numpy() > 0, m.fidelity.cpu().numpy().transpose(0, 2, 3, 1).copy()
        for picture, hole in zip(filled, lost, strict=True):
            _fill_plain(picture, hole, self._thin(hole))
        thin = np.stack([self._thin(hole) for hole in lost])
        wide, found = lost & ~thin, Projection(m.fidelity)
        if wide.any():
            found = self._asked(m, torch.from_numpy(wide[:, None]).to(m.hole), seed, progress)
            asked = found.image.cpu().numpy().transpose(0, 2, 3, 1)
            filled[wide] = asked[wide]
        for i, hole in enumerate(lost):
            filled[i] = filling.smooth(filled[i], hole, thin[i])
        image = torch.from_numpy(filled).permute(0, 3, 1, 2).contiguous().to(m.fidelity)
        if self.texture:
            self._add_texture(image, wide, 1 - m.hole, seed)
        if self.continuing is not None:
            scratches = np.stack([part & ~filling.specks(part, 2 * self.thin_px) for part in thin])
            image = self.continuing(image, torch.from_numpy(scratches[:, None]).to(m.hole))
        return replace(found, image=image)

    def _thin(self, hole: filling.Hole) -> filling.Hole:
        """What of a hole is filled by a surface: specks, and what is as thin as can be gone on with."""
        thin = filling.thin_part(hole, self.thin_px)
        if self.continuing is None or not self.thin_px:
            return thin
        return thin | (filling.thin_part(hole, _SCRATCH_PX) & ~filling.specks(hole, 2 * _SCRATCH_PX))

    def _add_texture(self, image: Tensor, wide: Array, known: Tensor, seed: int) -> None:
        """Give wide holes texture, in place."""
        for i, hole in enumerate(wide):
            rng = torch.Generator(image.device).manual_seed(seed)
            near = box_mean(torch.from_numpy(hole).to(image)[None, None], 2 * _AROUND_PX + 1)[0, 0]
            for window, _ in filling.parts(near.cpu().numpy() > 0):
                place = (slice(i, i + 1), slice(None), *window)
                textured = quilted(image[place], known[place], self.texture, rng)
                image[place] = torch.where(torch.from_numpy(hole[window]).to(image.device), textured, image[place])

    def _asked(self, m: Measurement, where: Tensor, seed: int, progress: Progress | None) -> Projection:
        """The prior's answer, through squares around ``where`` if it works at one size; its tones as around there."""
        if self.resolution is not None and "hole" not in self.prior.any_size:
            found = AnySize(self.prior, self.resolution).around(m, where, seed=seed, progress=progress)
        else:
            found = self.prior.propose(m, seed=seed, progress=progress)
        return replace(found, image=found.image + _missed(m, found.image, where))

    def within(self, share: float) -> ByHole:
        """The same, with a share of the prior's time budget."""
        return ByHole(self.prior.within(share), thin_px=self.thin_px, continuing=self.continuing, texture=self.texture)


def _fill_plain(picture: Array, hole: filling.Hole, thin: filling.Hole) -> None:
    """Fill in place what is not thin and in plain surroundings; it is no hole any longer."""
    lost = hole.copy()
    for window, part in filling.parts(hole & ~thin):
        values = filling.plain(picture[window], lost[window], part)
        if values is not None:
            picture[window][part] = values
            hole[window] &= ~part


def _missed(m: Measurement, image: Tensor, where: Tensor) -> Tensor:
    """What a prior's picture has too little of around holes, spread into them as a membrane (Perez et al., 2003)."""
    missed, lost = torch.zeros_like(image), m.hole
    assert lost is not None
    for i, hole in enumerate(where[:, 0].cpu().numpy() > 0):
        for window, part in filling.parts(hole):
            place = (slice(i, i + 1), slice(None), *window)
            known = 1 - lost[place]
            if bool(known.any()):
                spread = smooth_fill(m.fidelity[place] - image[place], known)
                missed[place] = torch.where(torch.from_numpy(part).to(where.device), spread, missed[place])
    return missed
