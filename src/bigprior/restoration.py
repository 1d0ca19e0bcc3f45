"""The paper in one file: ``x_hat = (1 - phi) * g_inv(y) + phi * G(z*)``, in any orthonormal frame."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import deepinv as dinv
import torch
from torch import Tensor, nn

from bigprior.degradations import Degradation, as_degradation
from bigprior.errors import SettingsError
from bigprior.fusion import fuse_in_frame, fuse_pixels
from bigprior.ops.colour import is_grey
from bigprior.phi import PhiNetwork
from bigprior.priors.base import Prior, Projection
from bigprior.progress import Progress


@dataclass(frozen=True, repr=False)
class Restoration:
    """A restored picture, and what it is made of.

    Attributes:
        restored: ``measured + hallucinated`` exactly, (N, 3, H, W).
        fidelity: ``g_inv(y)``, (N, 3, H, W).
        prior: ``G(z*)``, (N, 3, H, W) in [0, 1]; the mean of its channels where ``y`` has three that are the same.
        measured: what ``restored`` has from ``fidelity``, (N, 3, H, W); pixel by pixel, ``(1 - phi) * fidelity``.
        hallucinated: what ``restored`` has from ``prior``, (N, 3, H, W); pixel by pixel, ``phi * prior``.
        phi: the prior's share of each pixel, (N, 1 or 3, H, W), 1 = all prior; see :class:`bigprior.fusion.Fusion`.
        bands: ``phi`` itself, band by band of the frame; pixel by pixel the same as ``phi``.
        share: of the variance of each restored picture, what is made up, (N,).
        measurement: ``y``, (N, C, H, W).
        projection: the prior's whole answer: codes and loss history.
        task: the degradation's name.
        provenance: what it takes to make this again: seed, settings, weights.
    """

    restored: Tensor
    fidelity: Tensor
    prior: Tensor
    measured: Tensor
    hallucinated: Tensor
    phi: Tensor
    bands: tuple[Tensor, ...]
    share: Tensor
    measurement: Tensor
    projection: Projection
    task: str
    provenance: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.restored)

    def __getitem__(self, i: int) -> Restoration:
        """The restoration of picture ``i`` alone.

        Raises:
            IndexError: no such picture.
        """
        i = range(len(self))[i]
        one = slice(i, i + 1)
        names = ("restored", "fidelity", "prior", "measured", "hallucinated", "phi", "share", "measurement")
        codes = {name: code[one] for name, code in self.projection.codes.items()}
        history = None if self.projection.history is None else self.projection.history[:, one]
        provenance = dict(self.provenance)
        if len(provenance.get("sigma", ())) == len(self):
            provenance["sigma"] = provenance["sigma"][one]
        return replace(
            self,
            **{name: getattr(self, name)[one] for name in names},
            bands=tuple(band[one] for band in self.bands),
            projection=Projection(self.projection.image[one], codes, history),
            provenance=provenance,
        )

    @property
    def mean_phi(self) -> float:
        """The mean of ``phi``: over all pixels, or over the bands of another frame, of which each counts the same."""
        return float(torch.stack([band.mean() for band in self.bands]).mean())

    @property
    def mean_share(self) -> float:
        """The share of the variance that is made up, the mean of all pictures."""
        return float(self.share.mean())

    def __repr__(self) -> str:
        n, _, h, w = self.restored.shape
        size = f"{w}x{h}" if n == 1 else f"{n}x {w}x{h}"
        hallucinated = f"{self.mean_share:.0%} of the variance made up"
        return f"<Restoration {size} {self.task}, mean phi {self.mean_phi:.2f}, {hallucinated}>"


class Restorer(dinv.models.Reconstructor):
    """Restores pictures from their measurements with a prior and a phi network; a deepinv ``Reconstructor``.

    Args:
        prior: projects a measurement on what it believes pictures are.
        phi: network that predicts ``phi`` in its own frame, or one for each task by the degradation's name.
        rho: weight of what is made up, for networks that take one: 0 for the most accurate picture, more for more of
            the measurement; the network's own by default.
        provenance: kept in every result.
    """

    def __init__(
        self,
        prior: Prior,
        phi: PhiNetwork | dict[str, PhiNetwork],
        *,
        rho: float | None = None,
        provenance: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.prior = prior
        self.phi = nn.ModuleDict(phi) if isinstance(phi, dict) else phi
        self.rho = rho
        self.provenance = provenance or {}
        self.eval()

    def forward(self, y: Tensor, physics: dinv.physics.Physics, **settings: Any) -> Tensor:
        """Deepinv's signature: the restored picture alone."""
        return self.restore(y, physics, **settings).restored

    @torch.no_grad()
    def restore(
        self, y: Tensor, degradation: dinv.physics.Physics, *, seed: int = 0, progress: Progress | None = None
    ) -> Restoration:
        """Restore a batch of measurements of one degradation.

        Args:
            y: (N, C, H, W), nominally in [0, 1]; C as the degradation says.
            degradation: how ``y`` came to be: ours, or deepinv's own ``Denoising``, ``Inpainting`` or ``Decolorize``.
            seed: of the prior's start. The same seed gives the same result.
            progress: called with (finished, total) units of the prior's work.

        Raises:
            ImageError: ``y`` is not a measurement of ``degradation``.
            MaskError: a mask of another size.
            SettingsError: no phi network for this task, or a physics without a bijection that is known.
        """
        physics = as_degradation(degradation)
        m = physics.measure(y)
        network: nn.Module = self.phi
        known = m.known_phi
        if known is None and isinstance(network, nn.ModuleDict):
            if physics.name not in network:
                raise SettingsError(f"no phi network for {physics.name}: this restorer has {', '.join(network)}")
            network = network[physics.name]
        projection = self.prior.project(m, seed=seed, progress=progress)
        prior = projection.image
        if not physics.colours and bool((grey := is_grey(m.fidelity)).any()):
            # A grey picture was measured grey, and stays so; colours are for colorization to make up.
            prior = torch.where(grey.view(-1, 1, 1, 1), prior.mean(dim=1, keepdim=True), prior)
        if known is not None:
            fused = fuse_pixels(m.fidelity, prior, known)
        else:
            assert isinstance(network, PhiNetwork)
            fused = fuse_in_frame(network, m.fidelity, prior, rho=self.rho, measured=physics.measured)
        record = physics.record(y) | _noise(physics, projection)
        return Restoration(
            restored=fused.measured + fused.hallucinated,
            fidelity=m.fidelity,
            prior=prior,
            measured=fused.measured,
            hallucinated=fused.hallucinated,
            phi=fused.phi,
            bands=fused.bands,
            share=fused.share,
            measurement=y,
            projection=projection,
            task=physics.name,
            provenance={**self.provenance, "task": physics.name, "seed": seed, "frame": fused.frame, **record},
        )


def _noise(physics: Degradation, projection: Projection) -> dict[str, Any]:
    """The noise levels that were known, or that the prior found: in [0, 1], one a picture."""
    known, found = physics.known_sigma, projection.codes.get("sigma")
    if known is not None:
        return {"sigma": known.tolist() if isinstance(known, Tensor) else [known], "noise": "told"}
    return {} if found is None else {"sigma": [round(level, 6) for level in found.tolist()], "noise": "found"}
