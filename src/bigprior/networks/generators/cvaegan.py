"""The generator of CVAE-GAN (Bao et al., ICCV 2017): a decoder that is told a class, and the encoder beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bigprior.errors import SettingsError, WeightsError
from bigprior.networks.generators.base import Generator, State
from bigprior.networks.generators.dcgan import DCGAN


class CVAEGAN(Generator):
    """Pictures of a normal code and a class; an encoder and a classifier say which code and class a picture has.

    A code is both, one after the other: an inversion moves the class too, as a weight of each.

    Layers are those of its decoder, a :class:`DCGAN` of such codes.

    Args:
        noise_dim: length of the normal code.
        classes: how many.
        widths: channels of the decoder's maps of side 4, 8, ...; pictures are twice as wide as the last.

    Raises:
        SettingsError: no classes, or no widths.
    """

    normalises = False
    stepwise = True

    def __init__(self, noise_dim: int = 64, classes: int = 10, widths: Sequence[int] = (256, 128, 64)) -> None:
        super().__init__()
        if classes < 1:
            raise SettingsError(f"classes is {classes}: expected at least one")
        self.noise_dim, self.classes = noise_dim, classes
        self.decoder = DCGAN(noise_dim + classes, widths)
        self.z_dim, self.layers, self.resolution = self.decoder.z_dim, self.decoder.layers, self.decoder.resolution
        inner = self.decoder.widths[0] * 16
        self.encoder, self.statistics = _shrunk(3 + classes, self.decoder.widths), nn.Linear(inner, 2 * noise_dim)
        self.classifier, self.classed = _shrunk(3, self.decoder.widths), nn.Linear(inner, classes)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that build this network again."""
        return {"noise_dim": self.noise_dim, "classes": self.classes, "widths": list(self.decoder.widths)}

    @property
    def cut(self) -> int:
        """That of its decoder."""
        return self.decoder.cut

    def extra_repr(self) -> str:
        """Size, code length and classes."""
        return f"resolution={self.resolution}, noise_dim={self.noise_dim}, classes={self.classes}"

    def draw(self, count: int, rng: torch.Generator) -> Tensor:
        """Codes (count, z_dim) of random pictures: normal, and a class of each."""
        z = torch.randn(count, self.noise_dim, generator=rng)
        return self.of_class(z, torch.randint(self.classes, (count,), generator=rng))

    def of_class(self, z: Tensor, classes: Tensor) -> Tensor:
        """Normal codes (N, noise_dim) and numbers of classes (N,) as codes (N, z_dim)."""
        return torch.cat([z, F.one_hot(classes, self.classes).to(z)], dim=1)

    def channels_at(self, layer: int) -> int:
        """Channels of the feature maps that enter ``layer`` (``z_dim`` at layer 0)."""
        return self.decoder.channels_at(layer)

    def first(self, z: Tensor, layer: int) -> State:
        """``G_1^(l)``: codes (N, z_dim) to the feature maps (N, C, h, w) that enter ``layer``."""
        return self.decoder.first(z, layer)

    def second(self, state: State, layer: int) -> Tensor:
        """``G_2^(l)``: the feature maps that enter ``layer`` to pictures (N, 3, R, R), RGB in [0, 1]."""
        return self.decoder.second(state, layer)

    def through(self, state: State, start: int, end: int) -> State:
        """The maps that enter ``start`` to those that enter ``end``."""
        return self.decoder.through(state, start, end)

    def encode(self, pictures: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the logarithm of the variance of codes, each (N, noise_dim).

        Args:
            pictures: (N, 3, R, R), RGB in [0, 1].
            classes: the weight of each class (N, classes).
        """
        told = classes[:, :, None, None].expand(-1, -1, *pictures.shape[2:])
        maps = self.encoder(torch.cat([2 * pictures - 1, told], dim=1))
        mean, log_variance = self.statistics(maps.flatten(1)).chunk(2, dim=1)
        return mean, log_variance

    def classify(self, pictures: Tensor) -> Tensor:
        """The logits (N, classes) of pictures (N, 3, R, R), RGB in [0, 1]."""
        logits: Tensor = self.classed(self.classifier(2 * pictures - 1).flatten(1))
        return logits

    def guess(self, pictures: Tensor) -> Tensor:
        """Codes (N, z_dim) of pictures (N, 3, R, R), RGB in [0, 1]: the encoder's mean, and the class by its shares."""
        classes = self.classify(pictures).softmax(dim=1)
        return torch.cat([self.encode(pictures, classes)[0], classes], dim=1)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Build the network that ``state`` fits, for use: its normalisation is the one that it learned.

        Raises:
            WeightsError: a tensor is missing, has another shape, or is not one of this architecture.
        """
        state = {k.removeprefix("module."): v for k, v in state.items()}
        for name in ("statistics.weight", "classed.weight"):
            if name not in state or state[name].ndim != 2:
                raise WeightsError(f"not a CVAE-GAN generator: no matrix {name}")
        inner = {k.removeprefix("decoder."): v for k, v in state.items() if k.startswith("decoder.")}
        decoder = DCGAN.from_state_dict(inner)
        network = cls(len(state["statistics.weight"]) // 2, len(state["classed.weight"]), decoder.widths)
        return network.fill(state, "a CVAE-GAN generator").eval()


def _shrunk(c_in: int, widths: Sequence[int]) -> nn.Sequential:
    """Pictures (N, c_in, R, R) to maps (N, widths[0], 4, 4): the decoder's sides, the other way round."""
    steps: list[nn.Module] = []
    for a, b in pairwise([c_in, *reversed(widths)]):
        steps += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
    return nn.Sequential(*steps)
