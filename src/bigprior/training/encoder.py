"""``bigprior train encoder``: the start of a frozen generator's inversions.

Photographs and the generator's own samples are measured by every task's protocols; the encoder learns codes and
channel weights whose picture is near the truth, and near the measurement under ``f``.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from bigprior.degradations import DEGRADATIONS
from bigprior.degradations.simulation import learning_protocols, simulate
from bigprior.io.folders import list_pictures, load_square
from bigprior.io.weights import digest_of
from bigprior.networks.encoder import CodeEncoder
from bigprior.networks.generators.base import Generator
from bigprior.ops.precision import autocast
from bigprior.presets.store import load_part
from bigprior.priors.gan import GANPrior, InversionSettings
from bigprior.priors.losses import InversionLoss, PyramidTerm
from bigprior.progress import Progress
from bigprior.training.draws import mirrored, seeded, step_rng
from bigprior.training.plan import Moment
from bigprior.training.settings import CountedInImages, Index, Share
from bigprior.training.trainer import Descent, named, sheet


class EncoderSettings(CountedInImages):
    """Everything that decides how an encoder is trained; saved beside its weights.

    Attributes:
        codes, layer: of the inversions that it begins; see :class:`~bigprior.priors.gan.InversionSettings`.
        index: photographs to learn from.
        samples: share of a step's pictures that the generator made itself.
        shared: share of the steps, the first ones, in which all pictures have the same, learned, codes, and their own
            channel weights only: they cost a third, since the codes' way through the first layers is most of the work.
        perceptual: weight of the pyramid term beside the squared error.
        total_kimg: thousands of pictures to see.
        lr: the peak of the learning rate, after a short start. It falls along a half cosine while codes are shared, and
            along another, from a third of it, while they are not.
        clip: largest norm of the gradient.
    """

    codes: PositiveInt = 15
    layer: int = Field(default=6, ge=0)
    width: PositiveInt = 64
    hidden: PositiveInt = 192
    index: Index = None
    batch: PositiveInt = 16
    samples: Share = 0.25
    shared: Share = 0.9
    perceptual: float = Field(default=0.1, ge=0)
    total_kimg: PositiveFloat = 10.0
    lr: PositiveFloat = 1e-3
    clip: PositiveFloat = 1.0
    snapshot_kimg: PositiveFloat = 1.0


class EncoderRecipe(EncoderSettings):
    """Settings, and whose generator is inverted: a preset's."""

    preset: str = "rooms"


class EncoderTrainer(Descent[EncoderSettings]):
    """The encoder, by a frozen generator that is inverted.

    Args:
        settings: of the run.
        generator: what is inverted.
        data: folder of photographs; their centre squares are resized to the generator's size.

    Raises:
        ImageError: no pictures in ``data``.
        SettingsError: an index beyond the folder, or a layer that the generator does not have.
    """

    name = "encoder"
    recipe = EncoderRecipe
    network: CodeEncoder

    def __init__(self, settings: EncoderSettings, generator: Generator, data: Path | str) -> None:
        super().__init__(settings)
        s = settings
        self.files, self.clip, self.generator = list_pictures(data, s.index), s.clip, generator
        self.protocols = sorted(protocol for task in DEGRADATIONS for protocol in learning_protocols(task))
        self.prior = GANPrior(generator, InversionSettings(codes=s.codes, layer=s.layer))
        channels = generator.channels_at(s.layer)
        with seeded(s.seed):
            self.network = CodeEncoder(
                generator.resolution, s.codes, s.layer, generator.z_dim, channels, s.width, s.hidden
            )
        self.network.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.network.parameters(), s.lr, betas=(0.9, 0.99))

    @classmethod
    def of(cls, recipe: EncoderRecipe, data: Path, out: Path, progress: Progress | None = None) -> Self:
        """The trainer that a recipe and a folder of photographs describe."""
        return cls(recipe, load_part(recipe.preset, "generator"), data)

    @property
    def sources(self) -> dict[str, str]:
        """The photographs and the generator."""
        generator = type(self.generator).__name__
        if isinstance(self.generator, nn.Module):
            generator += f" {digest_of(*self.generator.state_dict().values())[:16]}"
        return {"pictures": named(self.files), "generator": generator}

    def prepare(self, progress: Progress | None) -> None:
        """Read the photographs, as bytes. They are measured where their noise and holes are drawn: on the processor."""
        self.pictures = load_square(self.files, self.generator.resolution)

    def schedule(self, moment: Moment) -> dict[str, Any]:
        """Along a half cosine while codes are shared, and along another, from a third of the peak, afterwards."""
        peak, first, last = self.settings.lr, 0.0, self._shared(moment)
        if moment.done >= last:
            peak, first, last = peak / 3, last, moment.total
        half = 0.5 + 0.5 * math.cos(math.pi * (moment.done - first) / (last - first))
        return {"lr": peak * min(half, (moment.step + 1) / 100)}

    def _shared(self, moment: Moment) -> float:
        """Where the codes' own phase begins, in the plan's units."""
        return round(self.settings.shared * moment.total)

    def loss(self, moment: Moment, shared: torch.Generator, own: torch.Generator) -> tuple[str, Tensor]:
        """How far the composed picture is from the truth, and under ``f`` from the measurement."""
        s, term = self.settings, PyramidTerm()
        x = self.truth(self.share, own)
        protocol = self.protocols[int(torch.randint(len(self.protocols), (), generator=own))]
        y, physics = simulate(protocol, x, [str(i) for i in range(len(x))], draw=1 + moment.step)
        x, m = x.to(self.device), physics.measure(y).to(self.device)
        with autocast(s.precision, x.device):
            z, alpha = self.network(m)
            if moment.done < self._shared(moment):
                z = self.network.start[None]
            image = self.prior.compose(z, alpha).float()
        near_truth, _ = InversionLoss(x, 1.0, 0.0, s.perceptual, term)(image)
        # Noise is no part of what f should give back; what was kept of the truth is.
        near_measured, _ = InversionLoss(m.f(x), 1.0, 0.0, s.perceptual, term)(m.f(image))
        return "loss", (near_truth + near_measured).mean()

    def truth(self, count: int, rng: torch.Generator) -> Tensor:
        """Photographs, mirrored or not, and samples of the generator: (count, 3, R, R) in [0, 1]."""
        made = round(self.settings.samples * count)
        chosen = self.pictures[torch.randint(len(self.pictures), (count - made,), generator=rng)].float().div(255)
        chosen = mirrored(chosen, rng)
        with torch.no_grad():
            z = torch.randn(made, self.generator.z_dim, generator=rng).to(self.device)
            return torch.cat([chosen, self.generator(z).clamp(0, 1).cpu()]) if made else chosen

    @torch.no_grad()
    def sample_grid(self) -> Tensor:
        """Eight pictures that never change; of every task a measurement, and where its inversion begins."""
        x = self.truth(8, step_rng(self.settings.seed, -1))
        rows = [x]
        for task in DEGRADATIONS:
            y, physics = simulate(learning_protocols(task)[0], x, [str(i) for i in range(len(x))])
            m = physics.measure(y).to(self.device)
            rows += [m.fidelity.cpu(), self.prior.compose(*self.network(m)).cpu()]
        return sheet(torch.cat(rows).clamp(0, 1), 8)

    def header(self) -> dict[str, Any]:
        """How to build the network."""
        return {"architecture": "code-encoder", "network": self.network.settings}
