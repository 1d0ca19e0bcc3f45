"""Anyone's result, split into what its measurement supports and what was added to it.

    measured = W^T (1 - phi) W g_inv(y),        added = restored - measured

``phi`` is what a phi network would take from the result if a prior had offered it; but nothing was added where the
result is the measurement, little where it is nearer to it than noise is, and all was where it differs from what was
measured exactly.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import torch
from skimage.registration import phase_cross_correlation
from torch import Tensor

from bigprior.degradations import Degradation, Measurement
from bigprior.errors import ImageError
from bigprior.frames import Band, Bands, Frame
from bigprior.fusion import Fusion, fuse_in_frame, fuse_pixels, terms_of_result, variance
from bigprior.io.pictures import read_picture
from bigprior.jobs import Job, measurement_of
from bigprior.ops.boxes import box_mean
from bigprior.ops.resampling import resized
from bigprior.phi import PhiNetwork
from bigprior.priors.base import Projection
from bigprior.report.record import settings_said, source_of
from bigprior.restoration import Restoration
from bigprior.weighing import asked, told

#: Differences up to this are the rounding of 8 bits, of both pictures and of three channels.
_ROUNDING = 1.5 / 255
#: What is nearer to a noisy measurement than this part of its noise is so much the less an addition.
_NEAR = 1 / 3
#: A result of another shape than the measurement's picture, by more than this, is of another picture.
_SHAPE = 0.02
#: A shift has to take away so much of the difference to be one, and can be so large a part of a side.
_BETTER, _FARTHEST = 0.2, 0.25


class Departure(PhiNetwork):
    """``phi`` of a result that is there already, by a network that weighs priors.

    Args:
        network: weighs.
        exact: kinds of bands that are measured as they are.
        sigma: of the measurements' noise, (N,); None where there is none.
    """

    kind = "departure"

    def __init__(self, network: PhiNetwork, exact: tuple[str, ...], sigma: Tensor | None) -> None:
        super().__init__(network.frame, network.receptive_radius, {})
        self.network, self.exact, self.sigma, self.rho = network, exact, sigma, network.rho

    def forward(self, fidelity: Tensor, prior: Tensor, frame: Frame, *, mean: Tensor, weight: Tensor) -> Bands:
        """``phi``, as :meth:`PhiNetwork.forward` has it, of ``prior``, which is the result."""
        phi = self.network(fidelity, prior, frame, mean=mean, weight=weight)
        out = []
        for band, share, f, x in zip(frame.bands, phi, frame.analyse(fidelity), frame.analyse(prior), strict=True):
            off = (x - f).abs()
            off = off.amax(dim=1, keepdim=True) if share.shape[1] == 1 else off
            added = share * (off > 0) * self._beside_noise(x - f, band)
            out.append((off > _ROUNDING).to(share) if band.kind in self.exact else added)
        return out

    def _beside_noise(self, off: Tensor, band: Band) -> Tensor | float:
        """How much of an addition a difference (N, C, h, w) is, in [0, 1], by its mean square nearby beside noise's."""
        if self.sigma is None:
            return 1.0
        overlap = band.side // band.step  # coefficients side by side have the noise of pixels
        around = box_mean((overlap * off).square().mean(dim=1, keepdim=True), 4 * overlap + 1)
        least = (_NEAR * self.sigma.view(-1, 1, 1, 1)).square().clamp_min(1e-12)
        return (around / least).clamp_max(1)


@torch.no_grad()
def audit(
    y: Tensor, restored: Tensor, degradation: Degradation, network: PhiNetwork, *, rho: float | None = None
) -> Restoration:
    """Split a result into what its measurement supports and what was added.

    Args:
        y: the measurement, (1, C, H, W), of one picture.
        restored: anyone's result, (1, 3, h, w), RGB in [0, 1]; of another size it is resampled, and shifted it is put
            back, by whole pixels; what is outside either is left out of both.
        degradation: how ``y`` came to be.
        network: weighs a prior in this task.
        rho: weight of what is made up, for a network that takes one; its own by default.

    Returns:
        What was added as ``hallucinated``, and the result as ``restored`` and ``prior``.

    Raises:
        ImageError: the result is of another shape than the measurement's picture.
    """
    m = degradation.measure(y)
    result, said = _of_size(restored, m)
    m, result, shift = _in_place(m, result)
    fused = _split(m, result, network, rho)
    provenance = {"shift_px": list(shift), **said, **degradation.record(m.y)}
    return Restoration.of(fused, m, result, Projection(result, {}), provenance)


def audit_file(job: Job, restored: Path, network: PhiNetwork, weights: str, *, rho: float | None = None) -> Restoration:
    """Split the result in a file, and save what was found in the job's folder.

    Args:
        job: of the picture that was restored.
        restored: the result.
        network, rho: as for :func:`audit`.
        weights: the hash of the network's file.

    Raises:
        BigpriorError: as :func:`bigprior.jobs.check`, :func:`audit` and :func:`bigprior.save`.
    """
    _, degradation, y = measurement_of(job)
    result = audit(y, read_picture(restored).image, degradation, network, rho=rho)
    result.save(
        job.folder,
        said={
            "event": "audit",
            "input": source_of(job.photo, job.page).model_dump(),
            "audited": source_of(restored).model_dump(),
            "settings_of_task": settings_said(job.settings),
            "weights": {"phi": weights},
        },
        **{field.name: getattr(job.output, field.name) for field in fields(job.output)},
    )
    return result


def _split(m: Measurement, result: Tensor, network: PhiNetwork, rho: float | None) -> Fusion:
    off = (result - m.fidelity).abs().amax(dim=1, keepdim=True)
    if (hole := m.known_phi) is not None:
        added = torch.where(hole > 0, hole * (off > 0), (off > _ROUNDING).to(off))
        return fuse_pixels(m.fidelity, result, added, terms_of_result)
    if m.degradation.weighs:
        return _contradicted(m.degradation.terms(m.y, result, m.noise, rho or 0.0), result)
    weigher = Departure(told(network, m), m.degradation.measured, None if m.noise is None else m.noise.sigma)
    return fuse_in_frame(weigher, m.fidelity, result, rho=asked(network, m, rho), split=terms_of_result)


def _contradicted(fused: Fusion, result: Tensor) -> Fusion:
    """Where a degradation weighs by itself: with what the measurement contradicts, which was added as well."""
    beyond = result - fused.measured - fused.hallucinated
    energy = beyond.square().mean(dim=(1, 2, 3)) / variance(result)
    return replace(fused, hallucinated=result - fused.measured, share=(fused.share + energy).clamp_max(1))


def _of_size(restored: Tensor, m: Measurement) -> tuple[Tensor, dict[str, list[int]]]:
    """The result at the size of the measurement's picture, and what it was resampled from."""
    (height, width), (h, w) = m.size, restored.shape[2:]
    if (h, w) == (height, width):
        return restored, {}
    if abs(h * width / (w * height) - 1) > _SHAPE:
        raise ImageError(f"the result is {w}x{h}, the picture {width}x{height}: expected a result of the whole picture")
    return resized(restored, height, width), {"resampled_from": [w, h]}


def _in_place(m: Measurement, result: Tensor) -> tuple[Measurement, Tensor, tuple[int, int]]:
    """Both where they overlap, once a shift by whole pixels is undone, down and across."""
    reference, moving = (x.mean(dim=1)[0].cpu().numpy() for x in (m.fidelity, result))
    if min(reference.shape) < 8 or (reference == moving).all():
        return m, result, (0, 0)
    found = phase_cross_correlation(reference - reference.mean(), moving - moving.mean(), normalization=None)[0]
    down, across = (-round(float(step)) for step in found)
    height, width = m.size
    if (down, across) == (0, 0) or abs(down) > _FARTHEST * height or abs(across) > _FARTHEST * width:
        return m, result, (0, 0)
    top, left, h, w = max(0, -down), max(0, -across), height - abs(down), width - abs(across)
    there = result[..., top + down : top + down + h, left + across : left + across + w]
    part = m.crop(top, left, h, w)
    before = (result - m.fidelity).square().mean()
    if float((there - part.fidelity).square().mean()) > (1 - _BETTER) * float(before):
        return m, result, (0, 0)
    return part, there, (down, across)
