"""A denoiser as a prior: the mean of the pictures behind a measurement, or samples of them (Eq. 11 in expectation)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Self

import deepinv as dinv
import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from bigprior.degradations import Colorization, Degradation, Denoising, Inpainting
from bigprior.errors import SettingsError
from bigprior.networks.colorizer import ColorizationNetwork
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.networks.refiner import Refiner
from bigprior.noise import noise_levels
from bigprior.ops.precision import Precision, autocast
from bigprior.ops.tiling import in_tiles
from bigprior.priors.base import Projection
from bigprior.progress import Progress
from bigprior.settings import Settings

#: Side of the tiles of a large picture, in pixels: about a gigabyte at the embedded network's width.
_TILE = 768


@dataclass(frozen=True)
class _View:
    """A picture lying on its side or not, then mirrored along some of its sides; and back."""

    sides: tuple[int, ...] = ()
    turned: bool = False

    def there(self, x: Tensor) -> Tensor:
        return (x.transpose(2, 3) if self.turned else x).flip(self.sides)

    def back(self, x: Tensor) -> Tensor:
        x = x.flip(self.sides)
        return x.transpose(2, 3) if self.turned else x


_VIEWS = tuple(_View(sides, turned) for turned in (False, True) for sides in ((), (3,), (2,), (2, 3)))


class DiffusionSettings(Settings):
    """How a denoiser is asked.

    Attributes:
        sampler: ``mean``, the posterior mean in one evaluation (denoising with any denoiser), or the answer at once of
            one that can be told what is known (other tasks); ``posterior``, deepinv's ``PosteriorDiffusion``
            around a denoiser that is told; or one that needs a plain denoiser only: deepinv's ``ddrm``,
            ``diffpir`` or ``dps``.
        steps: evaluations a sample; ``mean`` needs one.
        samples: how many are drawn; their mean is the prior's picture, and their spread is kept.
        views: of ``mean``: the answers for so many mirrored and turned copies of the picture are averaged. 2 are the
            picture and its mirror image, 4 also stand on their heads, 8 also lie on their side.
        guess: of ``mean``, where a colorizer guesses colours too: its share in them; the denoiser has the rest.
        saturation: the same: factor on the colours, since a mean of two answers is paler than either.
        precision: of the passes of an embedded denoiser, for ``mean``.
    """

    sampler: Literal["mean", "posterior", "ddrm", "diffpir", "dps"] = "mean"
    steps: PositiveInt = 20
    samples: PositiveInt = 1
    views: Literal[1, 2, 4, 8] = 1
    guess: float = Field(default=0.5, ge=0, le=1)
    saturation: NonNegativeFloat = 1.0
    precision: Precision = "auto"


class DiffusionPrior:
    """Projects a measurement on the pictures that a denoiser knows.

    Args:
        denoiser: any deepinv ``Denoiser`` of RGB pictures; set to evaluation and frozen.
        settings: one for all tasks.
        colorizer: what guesses colours beside an embedded denoiser; frozen too.
        refiner: what takes a second look at a denoised picture, of the sampler ``mean``; frozen too.
        resolution: side of the pictures that the denoiser was trained on, in pixels. Denoising works at any size;
            other tasks are best at this size (see :class:`bigprior.priors.anysize.AnySize`).

    Raises:
        SettingsError: a sampler that tells the denoiser what is known, and a denoiser that cannot be told.
    """

    def __init__(
        self,
        denoiser: nn.Module,
        settings: DiffusionSettings | None = None,
        *,
        colorizer: ColorizationNetwork | None = None,
        refiner: Refiner | None = None,
        resolution: int = 256,
    ) -> None:
        self.resolution = resolution
        self.denoiser = denoiser.eval().requires_grad_(False)
        self.colorizer = None if colorizer is None else colorizer.eval().requires_grad_(False)
        self.refiner = None if refiner is None else refiner.eval().requires_grad_(False)
        self.settings = settings or DiffusionSettings()
        if self.settings.sampler == "posterior" and not isinstance(denoiser, DenoisingUNet):
            raise SettingsError(
                f"sampler is 'posterior' but a {type(denoiser).__name__} cannot be told what is known: "
                "use 'ddrm', 'diffpir' or 'dps'"
            )

    def to(self, device: torch.device | str) -> Self:
        """Move the networks; measurements have to be there too."""
        for network in (self.denoiser, self.colorizer, self.refiner):
            if network is not None:
                network.to(device)
        return self

    @torch.no_grad()
    def project(
        self, y: Tensor, degradation: Degradation, *, seed: int = 0, progress: Progress | None = None
    ) -> Projection:
        """Measurements (N, C, H, W), any size, to the mean picture behind each, or the mean of samples.

        ``codes`` holds ``sigma``, the noise levels in a channel that were told or found, for denoising, and ``spread``,
        the standard deviation (N, 3, H, W) over samples, when there are several.

        Raises:
            ImageError, MaskError: not measurements of ``degradation``.
            SettingsError: a task that this sampler and denoiser cannot do.
        """
        degradation.check(y)
        if isinstance(degradation, Inpainting):
            degradation = degradation.for_measurement(y)
        if isinstance(degradation, Denoising):
            sigma, level = noise_levels(y, degradation.sigma)
            if self.settings.sampler == "mean":
                return Projection(self._denoised(y, level, progress).clamp_(0, 1), {"sigma": sigma})
        else:
            sigma = level = y.new_zeros(len(y))
            if self.settings.sampler == "mean":
                return Projection(self._mean(y, degradation).clamp_(0, 1))
        images, spreads = [], []
        for i in range(len(y)):  # one at a time: a picture's samples must not depend on its neighbours
            samples = self._samples(y[i : i + 1], _of_one(degradation, i, float(level[i])), float(level[i]), seed)
            samples = samples.float().clamp(0, 1)
            images.append(samples.mean(dim=0, keepdim=True))
            if len(samples) > 1:
                spreads.append(samples.std(dim=0, keepdim=True))
            if progress is not None:
                progress(i + 1, len(y))
        codes = {"spread": torch.cat(spreads)} if spreads else {}
        return Projection(torch.cat(images), codes | ({"sigma": sigma} if isinstance(degradation, Denoising) else {}))

    def _denoised(self, y: Tensor, sigma: Tensor, progress: Progress | None) -> Tensor:
        ask, halo = partial(self._ask, sigma=sigma), getattr(self.denoiser, "receptive_radius", 64)
        views = _VIEWS[: self.settings.views]
        passes = len(views) + (self.refiner is not None)

        def part(number: int) -> Progress | None:
            if progress is None:
                return None
            return lambda done, count: progress(number * count + done, passes * count)

        total = torch.zeros_like(y)
        for i, view in enumerate(views):
            total += view.back(in_tiles(ask, view.there(y), tile=_TILE, halo=halo, progress=part(i)))
        total /= len(views)  # in place: a large picture is not held twice
        return total if self.refiner is None else self.refiner(y, total, sigma, part(len(views)))

    def _ask(self, x: Tensor, sigma: float | Tensor, condition: Tensor | None = None) -> Tensor:
        if not isinstance(self.denoiser, DenoisingUNet):
            return self.denoiser(x, sigma)
        with autocast(self.settings.precision, x.device):
            return self.denoiser(x, sigma, condition)

    def _known(self, degradation: Degradation, y: Tensor) -> Tensor:
        """What there is to tell, to a denoiser that can be told."""
        others = "use the sampler 'ddrm', 'diffpir' or 'dps'"
        if not isinstance(self.denoiser, DenoisingUNet):
            kind = type(self.denoiser).__name__
            raise SettingsError(f"a {kind} cannot be told what is known in {degradation.name}: {others}")
        condition = degradation.condition(y)
        if condition is None:
            raise SettingsError(f"{degradation.name} says nothing exactly, so nothing can be told: {others}")
        return condition

    def _mean(self, y: Tensor, degradation: Degradation) -> Tensor:
        """The mean of all pictures that agree with ``y``: at the most noise a picture says as much as plain grey."""
        most, condition = DenoisingUNet.sigma_max, self._known(degradation, y)
        views = _VIEWS[: self.settings.views]
        total = y.new_zeros(len(y), 3, *y.shape[2:])
        for view in views:
            told = view.there(condition)
            total += view.back(self._ask(torch.full_like(told[:, :3], 0.5), most, told))
        mean = total / len(views)
        if self.colorizer is None or not isinstance(degradation, Colorization):
            return mean
        guess = torch.stack([view.back(self.colorizer(view.there(y))) for view in views]).mean(dim=0)
        colours = torch.lerp(degradation.consistent(mean, y), degradation.consistent(guess, y), self.settings.guess)
        return y + self.settings.saturation * (colours - y)

    def _samples(self, y: Tensor, degradation: Degradation, sigma: float, seed: int) -> Tensor:
        """Samples (K, 3, H, W) of the pictures behind one measurement (1, C, H, W)."""
        s, rng = self.settings, torch.Generator(y.device).manual_seed(seed)
        y = y.repeat(s.samples, 1, 1, 1)  # a copy: deepinv's DDRM writes into its measurement
        if s.sampler == "posterior":
            return self._posterior(y, degradation, sigma, rng)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # these samplers draw from torch's global numbers
            if s.sampler == "dps":
                sampler = dinv.sampling.DPS(self.denoiser, num_steps=s.steps, rng=rng)
                return sampler(y, degradation)
            if s.sampler == "ddrm":
                levels = torch.logspace(0, -2.5, s.steps).numpy()
                physics: Any = degradation
                if isinstance(degradation, Inpainting):  # DDRM wants the mask of every channel
                    mask = degradation.mask.expand(-1, 3, -1, -1)
                    physics = dinv.physics.Inpainting(tuple(mask.shape[1:]), mask=mask)
                return dinv.sampling.DDRM(self.denoiser, sigmas=levels)(y, physics)
            start = degradation.g_inv(y)
            if isinstance(degradation, Inpainting):
                start = start + (1 - degradation.mask) * 0.5
            diffpir = dinv.sampling.DiffPIR(self.denoiser, dinv.optim.L2(), sigma=max(sigma, 0.01), max_iter=s.steps)
            return diffpir(y, degradation, x_init=start)

    def _posterior(self, y: Tensor, degradation: Degradation, sigma: float, rng: torch.Generator) -> Tensor:
        told = _Conditioned(self.denoiser, None if isinstance(degradation, Denoising) else self._known(degradation, y))
        steps = torch.linspace(1, 0, self.settings.steps + 1, dtype=torch.float64)
        # deepinv's state is in [-1, 1], so its noise levels are twice those of [0, 1].
        sde = dinv.sampling.VarianceExplodingDiffusion(sigma_min=0.02, sigma_max=2 * DenoisingUNet.sigma_max, alpha=1.0)
        start: Any = (len(y), 3, *y.shape[2:])
        if isinstance(degradation, Denoising):
            # A noisy picture is already a state of the diffusion: its samples continue from there.
            first = torch.log(torch.tensor(max(2 * sigma, 0.02) / 0.02)) / torch.log(torch.tensor(80 / 0.02))
            steps, start = steps * first, (2 * y - 1).double()
        solver = dinv.sampling.AncestralSolver(timesteps=steps, rng=rng)
        sampler = dinv.sampling.PosteriorDiffusion(denoiser=told, sde=sde, solver=solver)
        return sampler(y, degradation, x_init=start)


class _Conditioned(dinv.models.Denoiser):
    """A denoiser with what is known, for samplers that pass a picture and a noise level only."""

    def __init__(self, denoiser: nn.Module, condition: Tensor | None) -> None:
        super().__init__()
        self.denoiser, self.condition = denoiser, condition

    def forward(self, x: Tensor, sigma: float | Tensor, **_: Any) -> Tensor:
        return self.denoiser(x, sigma, self.condition)


def _of_one(degradation: Degradation, i: int, sigma: float) -> Degradation:
    """The degradation of picture ``i`` of a batch alone."""
    if isinstance(degradation, Inpainting) and degradation.mask is not None:
        return Inpainting(degradation.mask[i : i + 1] if len(degradation.mask) > 1 else degradation.mask)
    return Denoising(min(sigma, 1.0)) if isinstance(degradation, Denoising) else degradation
