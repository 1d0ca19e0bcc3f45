"""What happened to the picture: ``f``, a deepinv ``Physics``, with its bijection ``g`` / ``g_inv`` (Section III-A).

``f`` is what the prior is matched through (Eq. 11). ``g_inv`` is the strict, lossless data fidelity of Eq. 5: nothing
is lost from the measurement ``y``, so ``g(g_inv(y))`` is ``y`` bit for bit.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import deepinv as dinv
import torch
from torch import Tensor

from bigprior.degradations.photographs import OfPhotographs
from bigprior.degradations.protocol import Protocol
from bigprior.degradations.terms import Weighs
from bigprior.errors import ImageError, SettingsError
from bigprior.io.arrays import described
from bigprior.noise import Noise
from bigprior.ops.resampling import padded, resized

#: Channels of :meth:`Degradation.condition`: RGB, whether the luminance is known, and whether the colour is.
CONDITION_CHANNELS = 5


class Degradation(OfPhotographs, Weighs):
    """A deepinv ``Physics`` that knows a bijection of its measurement.

    A subclass is final, has a file of its own, and is registered in :data:`bigprior.degradations.DEGRADATIONS`; so it
    meets the tests of all. Where a measurement is no picture of the picture's size, :meth:`picture_size`,
    :meth:`crop`, :meth:`pad` and :meth:`resize` say how its parts lie.
    """

    name: ClassVar[str]  #: of the task, as results carry it
    verb: ClassVar[str]  #: as the command line calls it
    #: Channels of a measurement.
    channels: int = 3
    #: How a prior of fixed size meets a picture of any size: in tiles, as a whole, or through squares around holes.
    placement: ClassVar[Literal["tiles", "whole", "hole"]]
    #: Windows of its pictures start and end at multiples of so many pixels, or at the picture's edge.
    grid: ClassVar[int] = 1
    #: The frame that it is natural to fuse in: a name in :data:`bigprior.frames.FRAMES`.
    frame: ClassVar[str] = "pixel"
    #: Kinds of that frame's bands that a measurement knows, so that ``f`` of the restored picture is ``y``.
    measured: ClassVar[tuple[str, ...]] = ()
    #: ``f`` leaves a picture as it is: a measurement is a picture, with noise or without.
    identity: ClassVar[bool] = False
    #: Whether it adds noise.
    noisy: ClassVar[bool] = False
    stabilised: ClassVar[type[Degradation] | None] = None  #: what priors are asked for once its noise was made white
    #: Whether the result of a grey picture has colours that it never had.
    colours: ClassVar[bool] = False
    #: What scores its pictures: names in :data:`bigprior.evaluation.metrics.METRICS`.
    metrics: ClassVar[tuple[str, ...]] = ("psnr", "ssim", "lpips")
    #: Ways to measure known pictures, by names that no other has; the first is the simplest.
    protocols: ClassVar[Mapping[str, Protocol]] = {}
    #: Those that networks learn from; all by default.
    learning: ClassVar[tuple[str, ...]] = ()
    #: The kind of phi network that it is natural to train: a name in :data:`bigprior.phi.PHI_NETWORKS`.
    phi: ClassVar[str] = "bands"
    #: The paper's own settings of its inversion (Section IV), beside those that all of its tasks share.
    paper: ClassVar[Mapping[str, Any]] = {}
    #: deepinv's class of such a physics, which :meth:`of_physics` takes; None if there is none.
    stock: ClassVar[type[dinv.physics.Physics] | None] = None

    def f(self, x: Tensor) -> Tensor:
        """The degradation without its noise: a picture (N, 3, H, W) to a measurement."""
        y: Tensor = self.A(x)
        return y

    def g_inv(self, y: Tensor) -> Tensor:
        """The fidelity term: a measurement to a picture (N, 3, H, W), losing nothing."""
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

    def hole(self, y: Tensor) -> Tensor | None:
        """Where nothing at all was measured, (N, 1, H, W), 1 = hole; None if there is no such place."""
        return None

    def condition(self, y: Tensor) -> Tensor | None:
        """What ``y`` says exactly, pixel by pixel, for a network that is conditioned on it; None if it says nothing.

        Returns:
            (N, :data:`CONDITION_CHANNELS`, H, W): the picture as far as it is known, on the scale of [-1, 1], and the
            simplest guess elsewhere; 1 where the luminance is known; 1 where the colour is known.
        """
        return None

    def noise_in(self, y: Tensor) -> Noise | None:
        """How much noise ``y`` has, known or found; None if this degradation adds none."""
        return None

    @property
    def known_sigma(self) -> float | Tensor | None:
        """The noise level in [0, 1] if it is known: one for all pictures or one each, (N,)."""
        return None

    def with_sigma(self, sigma: float) -> Self:
        """The same degradation with a noise level in [0, 1] that is known; as it is, if it adds no noise."""
        return self

    def decomposable(self) -> dinv.physics.Physics:
        """This degradation as samplers want it that go through its singular values.

        Raises:
            SettingsError: nobody knows them.
        """
        if not isinstance(self, dinv.physics.DecomposablePhysics):
            do = f"give {type(self).__name__} a decomposable(), or use the sampler 'diffpir' or 'dps'"
            raise SettingsError(f"nobody knows the singular values of {self.name}: {do}")
        return self

    def record(self, y: Tensor) -> dict[str, Any]:
        """What the record of a restoration says of this degradation, as values that JSON holds."""
        return {}

    def check(self, y: Tensor) -> Tensor:
        """Return ``y`` if it is a measurement of this degradation.

        Raises:
            ImageError: not a float tensor (N, ``channels``, H, W) of finite numbers with at least one pixel.
        """
        shape = tuple(y.shape)
        if y.dtype != torch.float32 or y.ndim != 4 or shape[1] != self.channels or 0 in shape:
            wanted = f"{self.name} takes a float32 tensor (N, {self.channels}, H, W)"
            raise ImageError(f"{wanted}: this one is {described(y)}")
        if not torch.isfinite(y).all():
            raise ImageError("the measurement holds NaN or infinity: expected finite numbers, nominally in [0, 1]")
        return y

    def measure(self, y: Tensor) -> Measurement:
        """``y`` as everything here takes it: checked, with all that this degradation says of it.

        Raises:
            ImageError: ``y`` is no measurement of this degradation.
        """
        return Measurement(self.check(y), self)

    # Parts of measurements, and what they are made of.

    def picture_size(self, y: Tensor) -> tuple[int, int]:
        """Height and width of the picture behind ``y``; here: as large as ``y``."""
        return y.shape[2], y.shape[3]

    def select(self, pictures: slice) -> Self:
        """This degradation of some pictures of a batch alone; here: the same for all."""
        return self

    def crop(self, y: Tensor, top: int, left: int, height: int, width: int) -> tuple[Tensor, Self]:
        """The measurement of a window of the picture, in the picture's pixels."""
        self._has_pictures_size(y, "crop")
        return y[..., top : top + height, left : left + width], self

    def pad(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """The measurement of a picture that was extended to ``height`` and ``width`` by its last row and column."""
        self._has_pictures_size(y, "pad")
        return padded(y, height, width), self

    def resize(self, y: Tensor, height: int, width: int) -> tuple[Tensor, Self]:
        """The measurement of the picture at another size."""
        self._has_pictures_size(y, "resize")
        return resized(y, height, width), self

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """One degradation for a batch, of those of its parts; here: the first one's."""
        return parts[0]

    def blind(self) -> Self:
        """This degradation as one knows it who is not told its parameters; here: the same."""
        return self

    @classmethod
    def of_physics(cls, physics: dinv.physics.Physics) -> Self:
        """Make one of deepinv's own ``physics``, an instance of :attr:`stock`.

        Raises:
            SettingsError: it does more than this degradation can.
        """
        raise SettingsError(f"{cls.name} is made of no deepinv physics: pass a {cls.__name__}")

    def _has_pictures_size(self, y: Tensor, method: str) -> None:
        if self.picture_size(y) != tuple(y.shape[2:]):
            what = f"{self.name} does not say how to {method} its measurements, which are not of the picture's size"
            do = f"give {type(self).__name__} a {method}(), or use a prior that takes any size"
            raise SettingsError(f"{what}: {do}")


@dataclass(frozen=True, eq=False)
class Measurement:
    """What priors and fusion are given: made once, by :meth:`Degradation.measure`.

    Attributes:
        y: as measured; (N, C, H, W) of the picture's size, or of another, as the degradation has it.
        degradation: how it came to be.
        searching: nobody knows where the degradation struck: its place here is a guess, and ``phi`` has to find it.
    """

    y: Tensor
    degradation: Degradation
    searching: bool = False
    _noise: Noise | None = field(default=None, repr=False)  # what is known of it from the whole picture

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.y)

    def __repr__(self) -> str:
        height, width = self.size
        return f"<Measurement {len(self)}x {width}x{height}, {self.degradation.name}>"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture, which is not always that of ``y``."""
        return self.degradation.picture_size(self.y)

    @cached_property
    def fidelity(self) -> Tensor:
        """``g_inv(y)``, (N, 3, H, W)."""
        return self.degradation.g_inv(self.y)

    @cached_property
    def condition(self) -> Tensor | None:
        """What is known exactly, see :meth:`Degradation.condition`; None if nothing is."""
        return self.degradation.condition(self.y)

    @cached_property
    def noise(self) -> Noise | None:
        """What is known of the noise, or found; of a window, what the whole picture says. None if there is none."""
        return self.degradation.noise_in(self.y) if self._noise is None else self._noise

    @property
    def known_phi(self) -> Tensor | None:
        """``phi`` (N, 1, H, W) where it is explicitly known (Table I), else None."""
        return None if self.searching else self.degradation.known_phi(self.y)

    @property
    def hole(self) -> Tensor | None:
        """Where nothing at all was measured, see :meth:`Degradation.hole`."""
        return self.degradation.hole(self.y)

    def f(self, x: Tensor) -> Tensor:
        """The degradation of a picture (N, 3, H, W), without noise."""
        return self.degradation.f(x)

    def consistent(self, prior: Tensor) -> Tensor:
        """The prior's picture (N, 3, H, W) with what ``y`` says of every pixel put in place."""
        return self.degradation.consistent(prior, self.y)

    def __getitem__(self, pictures: slice) -> Measurement:
        """Some of the pictures."""
        noise = None if self._noise is None else self._noise[pictures]
        return Measurement(self.y[pictures], self.degradation.select(pictures), self.searching, noise)

    def with_noise(self, noise: Noise) -> Measurement:
        """The same with noise that was found in another way."""
        return Measurement(self.y, self.degradation, self.searching, noise)

    def crop(self, top: int, left: int, height: int, width: int) -> Measurement:
        """A window of the picture, cut at its edges."""
        y, degradation = self.degradation.crop(self.y, top, left, height, width)
        return Measurement(y, degradation, self.searching, self._levels())

    def padded(self, height: int, width: int) -> Measurement:
        """The picture extended to ``height`` and ``width`` by its last row and column."""
        y, degradation = self.degradation.pad(self.y, height, width)
        return Measurement(y, degradation, self.searching, self._levels())

    def resized(self, height: int, width: int) -> Measurement:
        """The picture at another size."""
        y, degradation = self.degradation.resize(self.y, height, width)
        return Measurement(y, degradation, self.searching)

    def to(self, device: torch.device | str) -> Measurement:
        """The same on another device; the degradation, which others may hold, stays where it is."""
        noise = None if self._noise is None else self._noise.to(device)
        return Measurement(self.y.to(device), copy.deepcopy(self.degradation).to(device), self.searching, noise)

    def _levels(self) -> Noise | None:
        return None if self.noise is None else self.noise.levels()

    def fingerprint(self) -> str:
        """SHA-256 of all that a prior can see of it."""
        unknown = self.degradation.known_sigma is None
        said = (self.degradation.name, tuple(self.y.shape), self.size, self.searching, unknown)
        digest = hashlib.sha256(repr(said).encode())
        noise = {} if self._noise is None else vars(self._noise)
        for value in (self.y, *noise.values(), *self.degradation.state_dict().values()):
            if isinstance(value, Tensor):
                digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @staticmethod
    def join(parts: Sequence[Measurement]) -> Measurement:
        """One batch of measurements of one size and degradation."""
        if len(parts) == 1:
            return parts[0]
        # Picture by picture, since what a part says once, such as a mask, may be that of several.
        ones = [part.degradation.select(slice(i, i + 1)) for part in parts for i in range(len(part))]
        given = any(part._noise is not None for part in parts)
        noise = Noise.join([part.noise for part in parts if part.noise is not None]) if given else None
        y = torch.cat([part.y for part in parts])
        return Measurement(y, type(ones[0]).join(ones), parts[0].searching, noise)
