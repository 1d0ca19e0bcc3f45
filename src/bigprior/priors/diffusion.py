"""A denoiser as a prior: the mean of the pictures behind a measurement, or samples of them (Eq. 11 in expectation)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import deepinv as dinv
import torch
import torch.nn.functional as F
from pydantic import PositiveInt
from torch import Tensor, nn

from bigprior.degradations import Degradation, Measurement
from bigprior.errors import SettingsError
from bigprior.noise import Noise
from bigprior.ops.precision import Precision, autocast
from bigprior.ops.tiling import in_tiles
from bigprior.priors.base import Prior, Projection
from bigprior.priors.views import VIEWS, View, Views
from bigprior.progress import Progress, part_of
from bigprior.settings import Settings

#: Side of the tiles of a large picture, in pixels: about a gigabyte at the embedded network's width.
_TILE = 768
#: Noisy pictures of more pixels are seen one way.
_LARGE = 2_000_000
#: Noise, in pictures on the scale of [-1, 1], below which sampling has nothing left to do.
_LEAST_SIGMA = 0.02


class DiffusionSettings(Settings):
    """How a denoiser is asked.

    Attributes:
        sampler: ``mean``, the posterior mean in one evaluation: of a noisy picture with any denoiser, else the one-step
            estimate of one that can be conditioned; ``drawn``, a one-step sample of one that was trained to make them
            from noise; ``posterior``, deepinv's ``PosteriorDiffusion`` around a conditioned denoiser; or one that needs
            a plain denoiser only: deepinv's ``ddrm``, ``diffpir`` or ``dps``.
        steps: evaluations a sample; ``mean`` and ``drawn`` need one.
        samples: how many are drawn; their mean is the prior's picture, and their spread is kept.
        views: of ``mean`` and ``drawn``: the answers for so many mirrored and turned copies of the picture are
            averaged, see :data:`bigprior.priors.views.Views`; of noisy pictures of more than 2 megapixels, which take
            minutes, there is one.
        precision: of the passes of an embedded denoiser, for ``mean``.
    """

    sampler: Literal["mean", "drawn", "posterior", "ddrm", "diffpir", "dps"] = "mean"
    steps: PositiveInt = 20
    samples: PositiveInt = 1
    views: Views = 1
    precision: Precision = "auto"


@runtime_checkable
class ConditionalDenoiser(Protocol):
    """A denoiser of RGB pictures that can be conditioned on what is known exactly.

    ``forward(x, sigma, condition)`` takes a condition as :meth:`Degradation.condition` gives it, or None.
    """

    condition_channels: int  #: how many it takes
    sigma_max: float  #: the noise level at which a picture says as much as plain grey

    def nothing(self, like: Tensor, rng: torch.Generator | None) -> Tensor:
        """A picture at that level, drawn; or their mean, which is grey."""


class DiffusionPrior(Prior):
    """Projects a measurement on the pictures that a denoiser knows.

    Args:
        denoiser: any deepinv ``Denoiser`` of RGB pictures; set to evaluation and frozen.
        settings: one for all tasks.
        resolution: side of the pictures that the denoiser was trained on, in pixels. Noisy pictures can have any size;
            other tasks are best at this size (see :class:`bigprior.priors.anysize.AnySize`).

    Raises:
        SettingsError: a sampler that conditions the denoiser, and one that cannot be conditioned.
    """

    resolution: int
    denoiser: Any
    any_size = frozenset({"tiles"})

    def __init__(
        self, denoiser: nn.Module, settings: DiffusionSettings | None = None, *, resolution: int = 256
    ) -> None:
        super().__init__()
        self.resolution = resolution
        self.denoiser = denoiser.eval().requires_grad_(False)
        self.settings = settings or DiffusionSettings()
        self.draws = self.settings.sampler != "mean"
        self.embedded = isinstance(denoiser, ConditionalDenoiser)
        self.conditional = isinstance(denoiser, ConditionalDenoiser) and denoiser.condition_channels > 0
        if self.settings.sampler in ("drawn", "posterior") and not self.conditional:
            raise SettingsError(
                f"sampler is {self.settings.sampler!r} but a {type(denoiser).__name__} cannot be conditioned on what "
                "is known: use 'ddrm', 'diffpir' or 'dps'"
            )

    @torch.no_grad()
    def propose(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        """Measurements of pictures of any size to the mean picture behind each, or the mean of samples.

        ``codes`` holds ``sigma``, the noise levels in a channel that were known or found, where there is noise, and
        ``spread``, the standard deviation (N, 3, H, W) over samples, when there are several.

        Raises:
            SettingsError: a task that this sampler and denoiser cannot do.
        """
        found = {} if m.noise is None else {"sigma": m.noise.sigma}
        if self.settings.sampler == "mean":
            if m.noise is not None and m.degradation.identity:
                return Projection(self._denoised(m, m.noise, progress), found)
            # The mean of all pictures that agree with ``y``: at the most noise a picture says as much as plain grey.
            return Projection(self._in_one_step(self._known(m), VIEWS[: self.settings.views]), found)
        images, spreads = [], []
        for i in range(len(m)):  # one at a time: a picture's samples must not depend on its neighbours
            samples = self._samples(m[i : i + 1], seed).float().clamp(0, 1)
            images.append(samples.mean(dim=0, keepdim=True))
            if len(samples) > 1:
                spreads.append(samples.std(dim=0, keepdim=True))
            if progress is not None:
                progress(i + 1, len(m))
        return Projection(torch.cat(images), ({"spread": torch.cat(spreads)} if spreads else {}) | found)

    def _denoised(self, m: Measurement, noise: Noise, progress: Progress | None) -> Tensor:
        few = m.size[0] * m.size[1] > _LARGE
        halo, views = getattr(self.denoiser, "receptive_radius", 64), VIEWS[: 1 if few else self.settings.views]
        seen = [m.y]
        if noise.shape is not None and getattr(self.denoiser, "noise_channels", 0) > 0:
            # In half precision: it has more channels than the picture.
            seen.append(F.interpolate(noise.shape, size=m.size, mode="bilinear").half())

        def ask(y: Tensor, shape: Tensor | None = None) -> Tensor:
            return self._ask(y, noise.along_grey, noise=None if shape is None else shape.float())

        total = torch.zeros_like(m.y)
        for i, view in enumerate(views):
            part = part_of(progress, i, len(views))
            total += view.back(in_tiles(ask, *map(view.there, seen), tile=_TILE, halo=halo, progress=part))
        total /= len(views)  # in place: a large picture is not held twice
        return total

    def _ask(self, x: Tensor, sigma: float | Tensor, **known: Tensor | None) -> Tensor:
        given = {name: value for name, value in known.items() if value is not None}
        if not self.embedded:
            clean: Tensor = self.denoiser(x, sigma)
            return clean
        with autocast(self.settings.precision, x.device):
            clean = self.denoiser(x, sigma, **given)
        return clean

    def _known(self, m: Measurement) -> Tensor:
        """What there is to condition a denoiser on that can be conditioned."""
        others = "use the sampler 'ddrm', 'diffpir' or 'dps'"
        if not self.conditional:
            kind = type(self.denoiser).__name__
            raise SettingsError(f"a {kind} cannot be conditioned on what is known in {m.degradation.name}: {others}")
        if m.condition is None:
            raise SettingsError(f"{m.degradation.name} says nothing exactly that could be conditioned on: {others}")
        return m.condition

    def _in_one_step(self, condition: Tensor, views: Sequence[View], rng: torch.Generator | None = None) -> Tensor:
        """One picture a condition (N, C, H, W), of views that start from grey, or each from noise of its own."""
        total = condition.new_zeros(len(condition), 3, *condition.shape[2:])
        for view in views:
            known = view.there(condition)
            noise = None if rng is None else torch.randn(known[:, :3].shape, generator=rng, device=rng.device)
            start = self.denoiser.nothing(known[:, :3], noise)
            total += view.back(self._ask(start, float(self.denoiser.sigma_max), condition=known))
        return total / len(views)

    def _samples(self, m: Measurement, seed: int) -> Tensor:
        """Samples (K, 3, H, W) of the pictures behind one measurement."""
        s, rng = self.settings, torch.Generator(m.y.device).manual_seed(seed)
        condition = m.condition  # asked for first: it refuses a hole that nobody knows
        sigma = 0.0 if m.noise is None else float(m.noise.along_grey)
        physics = m.degradation.with_sigma(sigma)
        y = m.y.repeat(s.samples, 1, 1, 1)  # a copy: deepinv's DDRM writes into its measurement
        if s.sampler == "drawn":
            return self._in_one_step(self._known(m).repeat(s.samples, 1, 1, 1), VIEWS[: s.views], rng)
        if s.sampler == "posterior":
            return self._posterior(m, y, physics, sigma, rng)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # these samplers draw from torch's global numbers
            if s.sampler == "dps":
                sampled: Tensor = dinv.sampling.DPS(self.denoiser, num_steps=s.steps, rng=rng)(y, physics)
                return sampled
            if s.sampler == "ddrm":
                levels = torch.logspace(0, -2.5, s.steps).numpy()
                sampled = dinv.sampling.DDRM(self.denoiser, sigmas=levels)(y, physics.decomposable())
                return sampled
            # What nothing is known of starts from grey.
            start = m.fidelity if condition is None else m.fidelity + (1 - condition[:, 3:4]) * 0.5
            diffpir = dinv.sampling.DiffPIR(self.denoiser, dinv.optim.L2(), sigma=max(sigma, 0.01), max_iter=s.steps)
            sampled = diffpir(y, physics, x_init=start.repeat(s.samples, 1, 1, 1))
        return sampled

    def _posterior(self, m: Measurement, y: Tensor, physics: Degradation, sigma: float, rng: torch.Generator) -> Tensor:
        noisy = m.degradation.identity
        conditioned = _Conditioned(self.denoiser, None if noisy else self._known(m).repeat(len(y), 1, 1, 1))
        steps = torch.linspace(1, 0, self.settings.steps + 1, dtype=torch.float64)
        # deepinv's state is in [-1, 1], so its noise levels are twice those of [0, 1].
        most = 2 * float(self.denoiser.sigma_max)
        sde = dinv.sampling.VarianceExplodingDiffusion(sigma_min=_LEAST_SIGMA, sigma_max=most, alpha=1.0)
        start: Any = (len(y), 3, *m.size)
        if noisy:
            # A noisy picture is already a state of the diffusion: its samples continue from there.
            first = math.log(max(2 * sigma, _LEAST_SIGMA) / _LEAST_SIGMA) / math.log(most / _LEAST_SIGMA)
            steps, start = steps * first, (2 * y - 1).double()
        solver = dinv.sampling.AncestralSolver(timesteps=steps, rng=rng)
        sampler = dinv.sampling.PosteriorDiffusion(denoiser=conditioned, sde=sde, solver=solver)
        samples: Tensor = sampler(y, physics, x_init=start)
        return samples


class _Conditioned(dinv.models.Denoiser):  # type: ignore[misc]  # deepinv publishes no types
    """A denoiser with what is known, for samplers that pass a picture and a noise level only."""

    def __init__(self, denoiser: nn.Module, condition: Tensor | None) -> None:
        super().__init__()
        self.denoiser, self.condition = denoiser, condition

    def forward(self, x: Tensor, sigma: float | Tensor, **_: Any) -> Tensor:
        clean: Tensor = self.denoiser(x, sigma, self.condition)
        return clean
