"""The paper in one file: ``x_hat = (1 - phi) * g_inv(y) + phi * G(z*)``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import deepinv as dinv
import torch
from torch import Tensor, nn

from bigprior.degradations import Degradation, Inpainting
from bigprior.errors import SettingsError
from bigprior.fusion import fuse, predict_phi
from bigprior.priors.base import Prior, Progress, Projection


@dataclass(frozen=True, repr=False)
class Restoration:
    """A restored picture, and what it is made of.

    Attributes:
        restored: ``fuse(fidelity, prior, phi)`` exactly, (N, 3, H, W).
        fidelity: ``g_inv(y)``, what was measured, (N, 3, H, W).
        prior: ``G(z*)``, what was made up, (N, 3, H, W) in [0, 1].
        phi: each pixel's share of the prior, (N, 1 or 3, H, W), 1 = all prior.
        measurement: ``y``, (N, C, H, W).
        projection: the prior's whole answer: codes and loss history.
        task: the degradation's name.
        provenance: what it takes to make this again: seed, settings, weights.
    """

    restored: Tensor
    fidelity: Tensor
    prior: Tensor
    phi: Tensor
    measurement: Tensor
    projection: Projection
    task: str
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def mean_phi(self) -> float:
        """The mean share of the prior, over all pixels."""
        return float(self.phi.mean())

    def __repr__(self) -> str:
        n, _, h, w = self.restored.shape
        size = f"{w}x{h}" if n == 1 else f"{n}x {w}x{h}"
        return f"<Restoration {size} {self.task}, mean phi {self.mean_phi:.2f}>"


class Restorer(dinv.models.Reconstructor):
    """Restores pictures from their measurements with a prior and a phi network; a deepinv ``Reconstructor``.

    Args:
        prior: projects a measurement on what it believes pictures are.
        phi: network of ``(fidelity, prior)`` to ``phi``, or one for each task by the degradation's name.
        provenance: kept in every result.
    """

    def __init__(
        self, prior: Prior, phi: nn.Module | dict[str, nn.Module], *, provenance: dict[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.prior = prior
        self.phi = nn.ModuleDict(phi) if isinstance(phi, dict) else phi
        self.provenance = provenance or {}
        self.eval()

    def forward(self, y: Tensor, physics: Degradation, **settings: Any) -> Tensor:
        """Deepinv's signature: the restored picture alone."""
        return self.restore(y, physics, **settings).restored

    @torch.no_grad()
    def restore(
        self, y: Tensor, degradation: Degradation, *, seed: int = 0, progress: Progress | None = None
    ) -> Restoration:
        """Restore a batch of measurements of one degradation.

        Args:
            y: (N, C, H, W), nominally in [0, 1]; C as the degradation says.
            degradation: how ``y`` came to be.
            seed: of the prior's start. The same seed gives the same result.
            progress: called with (finished, total) units of the prior's work.

        Raises:
            ImageError: ``y`` is not a measurement of ``degradation``.
            MaskError: a mask of another size.
            SettingsError: no phi network for this task.
        """
        y = degradation.check(y)
        network, phi = self.phi, degradation.known_phi(y)
        if phi is None and isinstance(network, nn.ModuleDict):
            if degradation.name not in network:
                raise SettingsError(f"no phi network for {degradation.name}: this restorer has {', '.join(network)}")
            network = network[degradation.name]
        fidelity = degradation.g_inv(y)
        projection = self.prior.project(y, degradation, seed=seed, progress=progress)
        prior = projection.image
        if phi is None:
            phi = predict_phi(network, fidelity, prior)
        restored = fuse(fidelity, prior, phi)  # Eq. 5
        provenance = {**self.provenance, "task": degradation.name, "seed": seed}
        if isinstance(degradation, Inpainting):
            provenance["mask"] = "given" if degradation.mask is not None else "found by phi"
        return Restoration(restored, fidelity, prior, phi, y, projection, degradation.name, provenance)
