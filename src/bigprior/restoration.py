"""What a restoration gives: the restored picture, and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from bigprior.calibration.bound import Bound
from bigprior.degradations import Measurement
from bigprior.fusion import Fusion
from bigprior.io.arrays import to_numpy, to_pil
from bigprior.io.samples import Array
from bigprior.noise import Noise
from bigprior.priors.base import Projection


@dataclass(frozen=True, repr=False, eq=False)
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
        noise: what was found or told of it, where a network looked for it.
        bound: intervals for the true values, with a guarantee; None where nothing was calibrated for how it was made.
        kinds: ``share`` of each kind of the frame's bands alone, (N,): of a colorized picture, 0 of its ``luminance``
            and 1 of its ``chrominance``.
        through: what of ``measured`` an earlier restoration had made up, (N, 3, H, W); None where none was told of.
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
    noise: Noise | None = None
    bound: Bound | None = None
    kinds: dict[str, Tensor] = field(default_factory=dict)
    through: Tensor | None = None

    @classmethod
    def of(
        cls,
        fused: Fusion,
        m: Measurement,
        prior: Tensor,
        projection: Projection,
        provenance: dict[str, Any],
        *,
        noise: Noise | None = None,
        bound: Bound | None = None,
        through: Tensor | None = None,
    ) -> Restoration:
        """What a fusion of a measurement and a prior's picture gives; the rest as the attributes have it."""
        return cls(
            restored=fused.measured + fused.hallucinated,
            fidelity=m.fidelity,
            prior=prior,
            measured=fused.measured,
            hallucinated=fused.hallucinated,
            phi=fused.phi,
            bands=fused.bands,
            share=fused.share,
            measurement=m.y,
            projection=projection,
            task=m.degradation.name,
            provenance={**provenance, "frame": fused.frame},
            noise=noise,
            bound=bound,
            kinds=fused.kinds,
            through=through,
        )

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.restored)

    def __getitem__(self, pictures: int | slice) -> Restoration:
        """The restoration of one of the pictures, or of some, alone.

        Raises:
            IndexError: no such picture.
        """
        if isinstance(pictures, int):
            first = range(len(self))[pictures]
            pictures = slice(first, first + 1)
        names = ("restored", "fidelity", "prior", "measured", "hallucinated", "phi", "share", "measurement")
        codes = {name: code[pictures] for name, code in self.projection.codes.items()}
        history = None if self.projection.history is None else self.projection.history[:, pictures]
        provenance = _of_some(self.provenance, len(self), pictures)
        return replace(
            self,
            **{name: getattr(self, name)[pictures] for name in names},
            bands=tuple(band[pictures] for band in self.bands),
            projection=Projection(self.projection.image[pictures], codes, history),
            provenance=provenance,
            noise=None if self.noise is None else self.noise[pictures],
            bound=None if self.bound is None else self.bound[pictures],
            kinds={kind: share[pictures] for kind, share in self.kinds.items()},
            through=None if self.through is None else self.through[pictures],
        )

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same pictures, made of the same parts in the same way, bit for bit."""
        if not isinstance(other, Restoration):
            return NotImplemented
        names = ("restored", "fidelity", "prior", "measured", "hallucinated", "phi", "share", "measurement")
        same = all(torch.equal(getattr(self, name), getattr(other, name)) for name in names)
        return same and (self.task, self.provenance) == (other.task, other.provenance)

    __hash__ = None  # type: ignore[assignment]  # what holds tensors is compared, not looked up

    @property
    def mean_phi(self) -> float:
        """The mean of ``phi``: over all pixels, or over the bands of another frame, of which each counts the same."""
        return float(torch.stack([band.mean() for band in self.bands]).mean())

    @property
    def mean_share(self) -> float:
        """How much is made up, as every report says it: the share of the variance, the mean of all pictures."""
        return float(self.share.mean())

    def __repr__(self) -> str:
        n, _, h, w = self.restored.shape
        size = f"{w}x{h}" if n == 1 else f"{n}x {w}x{h}"
        return f"<Restoration {size} {self.task}, {self.mean_share:.0%} made up>"

    def to_numpy(self, dtype: npt.DTypeLike = np.uint8) -> Array:
        """The restored picture as (H, W, 3), RGB: uint8 or uint16, or float32 or float64 as it is.

        Raises:
            ImageError: several pictures, or another ``dtype``.
        """
        return to_numpy(self.restored, dtype)

    def to_pil(self) -> Image.Image:
        """The restored picture as a Pillow image of 8 bits.

        Raises:
            ImageError: several pictures.
        """
        return to_pil(self.restored)

    def save(self, folder: Path | str, **how: Any) -> dict[str, Path]:
        """Write it, ``phi`` and how it was made; :func:`bigprior.save` says what can be chosen.

        Raises:
            ImageError: several pictures.
            OutputError: the folder cannot be written, or holds files.
        """
        from bigprior.report.folder import save_restoration  # draws, with what takes a second to import

        return save_restoration(self, folder, **how)

    def _repr_html_(self) -> str:
        """In a notebook: the measurement and the restored picture behind a slider, and what was made up."""
        from bigprior.report.notebook import slider

        return "".join(slider(self[i]) for i in range(len(self)))


def _of_some(record: dict[str, Any], count: int, pictures: slice) -> dict[str, Any]:
    """A record of so many pictures with what it says of each cut to some of them."""
    cut = dict(record)
    for name in ("sigma", "bound", "capped"):
        value = cut.get(name)
        if isinstance(value, dict):
            cut[name] = {k: v[pictures] if isinstance(v, list) and len(v) == count else v for k, v in value.items()}
        elif isinstance(value, list) and len(value) == count:
            cut[name] = value[pictures]
    return cut
