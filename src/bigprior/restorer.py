"""The paper in one file: ``x_hat = (1 - phi) * g_inv(y) + phi * G(z*)``, in any frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import deepinv as dinv
import torch
from PIL import Image
from torch import Tensor, nn

from bigprior.budget import Budget, kept
from bigprior.calibration import Bound, Calibration, Parts
from bigprior.degradations import Degradation, Measurement, as_degradation
from bigprior.errors import ImageError, SettingsError
from bigprior.fusion import Fusion
from bigprior.io.arrays import NO_SUCH_NOISE, as_picture, described, other_scale
from bigprior.io.samples import Array
from bigprior.networks.noise_estimator import NoiseEstimator
from bigprior.noise import Grain, Noise, noise_by
from bigprior.ops.blank import blank
from bigprior.ops.colour import is_grey
from bigprior.ops.memory import give_back
from bigprior.phi import PhiNetwork
from bigprior.priors.base import Prior
from bigprior.progress import Progress
from bigprior.restoration import Restoration
from bigprior.settings import check_seed
from bigprior.weighing import Sides


class Restorer(dinv.models.Reconstructor):  # type: ignore[misc]  # deepinv publishes no types
    """Restores pictures from their measurements with a prior and a phi network; a deepinv ``Reconstructor``.

    Args:
        prior: projects a measurement on what it believes pictures are.
        phi: network that predicts ``phi`` in its own frame, or one for each task by the degradation's name.
        rho: weight of what is made up, for networks that take one: 0 for the most accurate picture, more for more of
            the measurement; the network's own by default.
        noise: finds noise, place by place and scale by scale; where its level is told, that is taken. By default it is
            white, and found where nobody told it.
        strength: noise is taken for so many times as much as it was told or found to be: more removes more, 0 nothing.
        grain: of the noise, ``fine`` or ``coarse``, if known; by default it is found, as far as ``noise`` finds it.
        provenance: kept in every result.
        calibration: bounds how far the truth may lie from the restored picture; the caller knows that it fits.

    Raises:
        SettingsError: a strength outside 0 to 2, a grain that is none or that nobody looks at, a ``rho`` that is
            negative or no number, or a ``phi`` that is none.
    """

    def __init__(
        self,
        prior: Prior,
        phi: PhiNetwork | dict[str, PhiNetwork],
        *,
        rho: float | None = None,
        noise: NoiseEstimator | None = None,
        strength: float = 1.0,
        grain: Grain | None = None,
        provenance: dict[str, Any] | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        super().__init__()
        for network in phi.values() if isinstance(phi, dict) else [phi]:
            if not isinstance(network, PhiNetwork):
                raise SettingsError(f"phi is a {type(network).__name__}: expected a PhiNetwork, or one for each task")
        self.prior = prior
        self.phi = nn.ModuleDict(phi) if isinstance(phi, dict) else phi
        if not 0 <= strength <= 2:
            raise SettingsError(f"strength is {strength}: expected 0 to 2; 1 takes noise as it was found")
        if grain is not None and grain not in get_args(Grain):
            raise SettingsError(f"grain is {grain!r}: expected one of {', '.join(get_args(Grain))}")
        if grain is not None and noise is None:
            raise SettingsError(f"grain is {grain!r}, but nothing here knows noise that is not white: leave it out")
        if rho is not None and not 0 <= rho < math.inf:
            raise SettingsError(f"rho is {rho}: expected a number, 0 or more")
        self.rho, self.noise, self.strength, self.grain = rho, noise, strength, grain
        self.provenance, self.calibration = provenance or {}, calibration
        #: Why there is no calibration, for a person; None where there is one, or nobody looked for one.
        self.unbounded: str | None = None
        self.eval()

    @property
    def draws(self) -> bool:
        """Whether the result depends on the seed; False if no prior in it draws anything."""
        priors = [module for module in self.prior.modules() if isinstance(module, Prior)]
        return any(p.draws for p in priors if sum(isinstance(part, Prior) for part in p.modules()) == 1)

    def forward(self, y: Tensor, physics: dinv.physics.Physics, **settings: Any) -> Tensor:
        """Deepinv's signature: the restored picture alone."""
        return self.restore(y, physics, **settings).restored

    @torch.no_grad()
    def restore(
        self,
        y: Tensor | Array | Image.Image,
        degradation: dinv.physics.Physics,
        *,
        seed: int = 0,
        budget: Budget | None = None,
        made_up: Tensor | None = None,
        progress: Progress | None = None,
    ) -> Restoration:
        """Restore a batch of measurements of one degradation.

        Args:
            y: (N, C, H, W), nominally in [0, 1]; C as the degradation says. Or one picture in any other usual form, see
                :func:`bigprior.io.arrays.as_picture`.
            degradation: how ``y`` came to be: ours, or any deepinv ``LinearPhysics``.
            seed: of the prior's start. The same seed gives the same result.
            budget: how much may be made up, and where.
            made_up: what of ``y`` an earlier restoration made up, of its shape: what of that is kept stands in
                :attr:`Restoration.through`.
            progress: called with (finished, total) units of the prior's work.

        Raises:
            ImageError: ``y`` is not a measurement of ``degradation``, or on a scale of 255 or 65535.
            MaskError: a mask of another size.
            SettingsError: no phi network for this task, a physics without a bijection that is known, a seed out of
                range, a ``rho`` where phi is known, of the measurement or by the prior, a budget that cannot be kept,
                or one beside ``made_up``.
        """
        # Long for what a result says, each with a line of its own.
        check_seed(seed)
        physics = as_degradation(degradation)
        m, plain, found = self._measured(y, physics)
        knows_phi = m.known_phi is not None or self.prior.knows_phi
        if knows_phi and self.rho is not None:
            raise SettingsError(f"phi is known in this {physics.name}, so rho says nothing: leave it out")
        (budget := budget or Budget()).check(m)
        if not knows_phi and budget.phi is None and not physics.weighs:
            self._weigher(physics)  # refused before any work
        projection = self.prior.project(plain, seed=seed, progress=progress)
        give_back(projection.image.numel())
        sides = Sides.of(m, plain, _grey_where_measured(plain, projection.image), projection.phi)
        sigma = projection.codes.get("sigma") if found is None else found
        fused, capped = self._fused(sides, budget)
        give_back(projection.image.numel())
        through = None
        if made_up is not None:
            if not budget.says_nothing:
                raise SettingsError("limits are of one restoration, not of a chain: leave the budget out")
            network = None if sides.phi is not None or physics.weighs else self._weigher(physics)
            through = sides.through(network, self.rho, fused, made_up)
        record = physics.record(m.y) | self._noise(m, sigma, sides.plain.noise) | ({"capped": capped} if capped else {})
        bound = self._bound(sides, fused if self.rho is None and not capped else None, projection.codes)
        give_back(projection.image.numel())
        record |= {} if bound is None else {"bound": bound.record()}
        if bound is None and (why := self.beyond(physics)) is not None:
            record["unbounded"] = why
        said = {**self.provenance, "task": physics.name, "seed": seed, **record}
        shown = None if self.noise is None else plain.noise
        return Restoration.of(fused, m, sides.prior, projection, said, noise=shown, bound=bound, through=through)

    def _fused(self, sides: Sides, budget: Budget) -> tuple[Fusion, dict[str, Any]]:
        """The fusion within a budget, and what that kept from being made up; nothing where it asked for nothing."""
        capped: dict[str, Any] = {}
        said = sides.phi is not None or budget.phi is not None
        network = None if said or sides.m.degradation.weighs else self._weigher(sides.m.degradation)
        fidelity = sides.m.fidelity
        if budget.phi is not None:
            fused = budget.painted(sides.m, sides.prior)
            capped["painted_phi"] = [round(float(phi.mean()), 6) for phi in fused.phi]
        else:
            fused = sides.fused(network, self.rho)
        if budget.keep is None and budget.max_share is None:
            return fused, capped
        capped["share_without"] = [round(share, 6) for share in fused.share.tolist()]
        keep = None if budget.keep is None else budget.keep.expand(len(fidelity), -1, -1, -1)
        if keep is not None:
            fused = kept(fused, fidelity, keep)
            capped["keep"] = [round(float(where.mean()), 6) for where in keep]
        if budget.max_share is not None:

            def fuse(i: int, rho: float) -> Fusion:
                one = sides[i : i + 1].fused(network, rho)
                return one if keep is None else kept(one, fidelity[i : i + 1], keep[i : i + 1])

            fused, weights = budget.within(fused, None if said else fuse)
            capped["max_share"] = budget.max_share
            capped["rho"] = [None if weight is None else float(f"{weight:.4g}") for weight in weights]
        return fused, capped

    def _bound(self, sides: Sides, fused: Fusion | None, codes: Mapping[str, Tensor]) -> Bound | None:
        """Intervals for the truth, of the picture as it was calibrated, whatever was made of it then.

        Photographs that have suffered more than those that calibrated have the intervals of what is plain of them,
        which say so; what was lost of them may be anything.
        """
        m, physics = sides.m, sides.m.degradation
        if self.calibration is None or self.beyond(physics) is not None:
            return None
        if fused is None:
            known = sides.phi is not None or physics.weighs
            fused = sides.fused(None if known else self._weigher(physics), None)
        restored = fused.measured + fused.hallucinated
        if sides.plain is m:
            return self.calibration.of(Parts.made(m, restored, sides.prior, fused.phi, codes))
        plain = Parts.made(sides.plain, physics.as_plain(restored), sides.shown, fused.phi, codes)
        bound = self.calibration.of(plain)
        lower, upper = (physics.as_measured(end) for end in (bound.lower, bound.upper))
        if m.hole is not None:
            lower, upper = (torch.where(m.hole > 0, end, x) for end, x in ((0.0, lower), (1.0, upper)))
        return replace(bound, lower=lower, upper=upper, beside=physics.beside)

    def beyond(self, physics: Degradation) -> str | None:
        """Why a calibration says nothing of a degradation with these settings; None if it does, or if there is none."""
        if self.calibration is None or (why := self.calibration.beyond(physics.scope())) is None:
            return None
        return f"no bound: {why}"

    def _measured(
        self, y: Tensor | Array | Image.Image, physics: Degradation
    ) -> tuple[Measurement, Measurement, Tensor | None]:
        """The measurement; as priors know such, with its noise; and how much that was before it was scaled, if it was.

        The measurement has noise too where both are the same.
        """
        m = physics.measure(_batch(y, physics))
        if (most := float(m.y.max())) > NO_SUCH_NOISE and float(m.fidelity.max()) > NO_SUCH_NOISE:
            raise ImageError(other_scale(f"measurement is {described(m.y)}", most))
        y, as_known = physics.plain(m.y)
        plain = m if as_known is physics else as_known.measure(y)
        scaled = plain
        if self.noise is not None and physics.noisy:
            # What was lost says as little of noise as what was never seen.
            unseen = [part > 0 for part in (physics.unseen, m.hole) if part is not None]
            silent = blank(m.y, sum(unseen[1:], unseen[0]) if unseen else None)
            told: dict[str, Any] = {"known": physics.known_sigma, "shot": physics.known_shot}
            scaled = plain.with_noise(noise_by(self.noise, plain.fidelity, grain=self.grain, blank=silent, **told))
        found = None
        if self.strength != 1 and scaled.noise is not None:
            found = scaled.noise.sigma
            scaled = scaled.with_noise(scaled.noise.times(self.strength))
        return (scaled if plain is m else m), scaled, found

    def _weigher(self, physics: Degradation) -> PhiNetwork:
        network: nn.Module = self.phi
        if isinstance(network, nn.ModuleDict):
            if physics.name not in network:
                raise SettingsError(f"no phi network for {physics.name}: this restorer has {', '.join(network)}")
            network = network[physics.name]
        assert isinstance(network, PhiNetwork)  # __init__ took no other
        return network

    def _noise(self, m: Measurement, found: Tensor | None, plain: Noise | None) -> dict[str, Any]:
        """The noise levels that were known, or that the prior found: in [0, 1], one a picture; of shot noise, peaks.

        ``iso_gain`` is of 255, as it is told.
        """
        known = m.degradation.known_sigma
        said: dict[str, Any] = {} if self.strength == 1 else {"strength": self.strength}
        if self.grain is not None:
            said["grain"] = self.grain
        if type(m.degradation).stabilised is not None and m.noise is not None and m.noise.shot is not None:
            shot, how = m.noise.shot, "told" if m.noise.known else "found"
            peaks = [float(f"{1 / gain:.4g}") for gain in shot.gain.tolist()]
            read = {"read": [round(level, 6) for level in shot.read.tolist()]} if bool(shot.read.any()) else {}
            return {"peak": peaks, **read, "noise": how} | said
        if m.degradation.known_shot is None and plain is not None and plain.shot is not None:
            said["iso_gain"] = [round(255 * gain, 4) for gain in plain.shot.gain.tolist()]
        if known is not None:
            levels = [round(level, 6) for level in known.tolist()] if isinstance(known, Tensor) else [known]
            return {"sigma": levels, "noise": "told"} | said
        if found is None:
            return {}
        return {"sigma": [round(level, 6) for level in found.tolist()], "noise": "found"} | said


def _grey_where_measured(m: Measurement, prior: Tensor) -> Tensor:
    """A grey picture was measured grey, and stays so; colours are for colorization to make up."""
    if m.degradation.colours or not bool((grey := is_grey(m.fidelity)).any()):
        return prior
    return torch.where(grey.view(-1, 1, 1, 1), prior.mean(dim=1, keepdim=True), prior)


def _batch(y: Tensor | Array | Image.Image, physics: Degradation) -> Tensor:
    """A batch as it is; anything else as a batch of one picture, a grey one in as many channels as are asked for."""
    if isinstance(y, Tensor) and (y.ndim != 3 or not physics.channels):
        return y
    picture = as_picture(y)
    return picture.expand(-1, physics.channels, -1, -1).contiguous() if picture.shape[1] == 1 else picture
