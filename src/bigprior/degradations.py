"""What happened to the picture: ``f``, a deepinv ``Physics``, with its bijection ``g`` / ``g_inv`` (Section III-A).

``f`` is what the prior is matched through (Eq. 11). ``g_inv`` is the strict, lossless data fidelity of Eq. 5: nothing
is lost from the measurement ``y``, so ``g(g_inv(y))`` is ``y`` bit for bit.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import deepinv as dinv
import torch
from torch import Tensor

from bigprior.errors import ImageError, MaskError, SettingsError, UnknownNameError
from bigprior.masks import smooth_fill

#: Luminance as the paper's data has it.
LUMINANCE = (0.299, 0.587, 0.114)

#: Channels of :meth:`Degradation.evidence`: RGB, whether the luminance is known, and whether the colour is.
EVIDENCE_CHANNELS = 5


class Degradation(dinv.physics.Physics):
    """A deepinv ``Physics`` that knows a bijection of its measurement.

    Subclasses are final; each is registered in :data:`DEGRADATIONS` and so meets the tests of all.
    """

    name: ClassVar[str]
    #: Channels of a measurement.
    channels: ClassVar[int] = 3
    #: How a prior of fixed size meets a picture of any size: in tiles, as a whole, or through squares around holes.
    placement: ClassVar[Literal["tiles", "whole", "hole"]]
    #: The frame that it is natural to fuse in: a name in :data:`bigprior.frames.FRAMES`.
    frame: ClassVar[str] = "pixel"
    #: Kinds of that frame's bands that a measurement knows, so that ``f`` of the restored picture is ``y``.
    measured: ClassVar[tuple[str, ...]] = ()

    def f(self, x: Tensor) -> Tensor:
        """The degradation without its noise: a picture (N, 3, H, W) to (N, ``channels``, H, W)."""
        return self.A(x)

    def g_inv(self, y: Tensor) -> Tensor:
        """The fidelity term: a measurement (N, ``channels``, H, W) to a picture (N, 3, H, W), losing nothing."""
        return y

    def g(self, x: Tensor) -> Tensor:
        """The inverse of :meth:`g_inv`: ``g(g_inv(y)) == y`` bit for bit."""
        return x

    def consistent(self, prior: Tensor, y: Tensor) -> Tensor:
        """The prior's picture (N, 3, H, W) with what ``y`` says of every pixel put in place; here: as it is."""
        return prior

    def known_phi(self, y: Tensor) -> Tensor | None:
        """``phi`` (N, 1, H, W) where it is explicitly known (Table I), else None."""
        return None

    def evidence(self, y: Tensor) -> Tensor | None:
        """What ``y`` says exactly, pixel by pixel, for a network that is told; None if it says nothing exactly.

        Returns:
            (N, :data:`EVIDENCE_CHANNELS`, H, W): the picture as far as it is known, on the scale of [-1, 1], and the
            simplest guess elsewhere; 1 where the luminance is known; 1 where the colour is known.
        """
        return None

    def check(self, y: Tensor) -> Tensor:
        """Return ``y`` if it is a measurement of this degradation.

        Raises:
            ImageError: not a float tensor (N, ``channels``, H, W) of finite numbers with at least one pixel.
        """
        shape = tuple(y.shape)
        if y.dtype != torch.float32 or y.ndim != 4 or shape[1] != self.channels or 0 in shape:
            kind = str(y.dtype).removeprefix("torch.")
            raise ImageError(
                f"{self.name} takes a float32 tensor (N, {self.channels}, H, W): this one is {kind} {shape}"
            )
        if not torch.isfinite(y).all():
            raise ImageError("the measurement holds NaN or infinity: expected finite numbers, nominally in [0, 1]")
        return y


class Colorization(Degradation, dinv.physics.Decolorize):
    """Colour lost: ``f`` is luminance, 0.299 R + 0.587 G + 0.114 B; ``g_inv`` copies the grey into three channels."""

    name = "colorization"
    channels = 1
    placement = "whole"
    frame = "luminance"
    measured = ("luminance",)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(srf=LUMINANCE, **kwargs)

    def A(self, x: Tensor, **kwargs: object) -> Tensor:  # noqa: D102, N802 (deepinv's name)
        # deepinv's own A goes through the operator's singular vectors and rounds differently.
        return (x * self.srf).sum(dim=1, keepdim=True)

    def g_inv(self, y: Tensor) -> Tensor:
        """Copies the grey (N, 1, H, W) into three channels."""
        # Not A_dagger: the least-squares inverse of luminance is a green picture.
        return y.expand(-1, 3, -1, -1).contiguous()

    def g(self, x: Tensor) -> Tensor:
        """Any channel of a grey picture, here the first."""
        return x[:, :1]

    def evidence(self, y: Tensor) -> Tensor:
        """The luminance of every pixel, the colour of none; the guess is grey."""
        return torch.cat([(2 * y - 1).expand(-1, 3, -1, -1), torch.ones_like(y), torch.zeros_like(y)], dim=1)

    def consistent(self, prior: Tensor, y: Tensor) -> Tensor:
        """The measurement's luminance with the prior's chroma, as in the released code.

        Deviates: chroma that would leave [0, 1] at this luminance is scaled towards grey, so that ``f`` of the
        result is ``y`` (the released code clips, which changes the luminance).
        """
        chroma = prior - self.f(prior)
        room = torch.where(chroma > 0, (1 - y).clamp_min(0), y.clamp_min(0))
        scale = (room / chroma.abs().clamp_min(1e-6)).amin(dim=1, keepdim=True).clamp_max(1)
        # Rounding may leave [0, 1] by a bit; a measurement may by more, and is kept.
        return torch.clamp(y + scale * chroma, min=y.clamp_max(0), max=y.clamp_min(1))


class Inpainting(Degradation, dinv.physics.Inpainting):
    """Pixels lost: ``f`` multiplies by a mask, 1 = known, 0 = hole; ``g_inv`` is the identity.

    Args:
        mask: (1 or N, 1, H, W) of 0 and 1; None when nobody knows where the hole is. Then ``f`` takes the exactly
            black pixels of ``y`` for the hole, and ``phi`` has to find it by itself, as in the paper.

    Raises:
        MaskError: values other than 0 and 1, or a mask that is all hole or all known.
    """

    name = "inpainting"
    placement = "hole"

    def __init__(self, mask: Tensor | None = None, **kwargs: object) -> None:
        if mask is not None:
            if mask.ndim != 4 or mask.shape[1] != 1:
                raise MaskError(f"mask is {tuple(mask.shape)}: expected (1 or N, 1, H, W)")
            mask = mask.float()
            if not ((mask == 0) | (mask == 1)).all():
                raise MaskError("mask holds values other than 0 and 1: expected 1 = known, 0 = hole")
            flat = mask.flatten(1)
            if bool((flat.amin(1) == 1).any()) or bool((flat.amax(1) == 0).any()):
                kind = "known" if bool((flat.amin(1) == 1).any()) else "hole"
                raise MaskError(f"mask is all {kind}: expected both known pixels (1) and a hole (0)")
        super().__init__(img_size=(3, *mask.shape[2:]) if mask is not None else (3, 1, 1), mask=mask, **kwargs)

    def for_measurement(self, y: Tensor) -> Inpainting:
        """This degradation with a mask: its own, or the exactly black pixels of ``y``.

        Raises:
            MaskError: no mask was given and ``y`` has no black pixel, or nothing else.
        """
        if self.mask is not None:
            return self
        try:
            return Inpainting((y != 0).any(dim=1, keepdim=True))
        except MaskError:
            raise MaskError("no mask was given and the picture has no black hole to find: pass a mask") from None

    def A(self, x: Tensor, mask: Tensor | None = None, **kwargs: object) -> Tensor:  # noqa: N802
        """Deepinv's name for :meth:`f`."""
        if self.mask is None and mask is None:
            raise MaskError("this inpainting has no mask: pass one, or use for_measurement to find the black pixels")
        return super().A(x, mask=mask, **kwargs)

    def known_phi(self, y: Tensor) -> Tensor | None:
        """1 in the hole and 0 elsewhere, if a mask was given: known pixels come back bit for bit."""
        return None if self.mask is None else (1 - self.mask).expand(len(y), -1, -1, -1)

    def evidence(self, y: Tensor) -> Tensor:
        """Luminance and colour of the known pixels; the guess is :func:`~bigprior.masks.smooth_fill`.

        Raises:
            MaskError: without a mask nobody knows which those are; see :meth:`for_measurement`.
        """
        if self.mask is None:
            raise MaskError("this inpainting has no mask: use for_measurement to find the black pixels")
        mask = self.mask.expand(len(y), -1, -1, -1)
        return torch.cat([2 * smooth_fill(y, mask) - 1, mask, mask], dim=1)

    def check(self, y: Tensor) -> Tensor:
        """Also raises MaskError: a mask of another size than ``y``."""
        super().check(y)
        if self.mask is not None and len(self.mask) not in (1, len(y)):
            raise MaskError(f"there are {len(self.mask)} masks but {len(y)} pictures: pass one mask, or one for each")
        if self.mask is not None and self.mask.shape[2:] != y.shape[2:]:
            (h, w), (hy, wy) = self.mask.shape[2:], y.shape[2:]
            raise MaskError(f"mask is {w}x{h} but the image is {wy}x{hy}: pass a mask of the image's size")
        return y


class Denoising(Degradation, dinv.physics.Denoising):
    """White Gaussian noise added: ``f`` and ``g_inv`` are the identity (the noise has mean zero).

    Args:
        sigma: noise level in [0, 1]; None when nobody knows it. A prior that knows it can stop before it
            fits the noise.

    Raises:
        SettingsError: ``sigma`` outside [0, 1].
    """

    name = "denoising"
    placement = "tiles"
    frame = "wavelet"

    def __init__(self, sigma: float | None = None, **kwargs: object) -> None:
        if sigma is not None and not 0 <= sigma <= 1:
            raise SettingsError(f"sigma is {sigma}: expected a noise level in [0, 1] (25 of 255 is {25 / 255:.3f})")
        super().__init__(noise_model=dinv.physics.GaussianNoise(sigma or 0.0), **kwargs)
        self.sigma = sigma


#: Every degradation by name.
DEGRADATIONS: dict[str, type[Degradation]] = {c.name: c for c in (Colorization, Inpainting, Denoising)}


def degradation(name: str, **settings: object) -> Degradation:
    """Build the degradation called ``name``.

    Raises:
        UnknownNameError: no such degradation.
    """
    if name not in DEGRADATIONS:
        raise UnknownNameError("task", name, list(DEGRADATIONS))
    return DEGRADATIONS[name](**settings)
