"""``bigprior train encoder``: the start of a frozen generator's inversions, resumable to the bit.

Photographs and the generator's own samples are measured by every task's protocols; the encoder learns codes and
channel weights whose picture is near the truth, and near the measurement under ``f``.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torchvision.utils import make_grid

from bigprior.degradations.simulation import simulate
from bigprior.io.folders import list_pictures, load_square
from bigprior.io.weights import digest_of
from bigprior.networks.encoder import CodeEncoder
from bigprior.networks.generators.base import Generator
from bigprior.ops.precision import autocast
from bigprior.priors.gan import GANPrior, InversionSettings
from bigprior.priors.losses import InversionLoss, PyramidTerm
from bigprior.settings import Settings
from bigprior.training.recipes import TASK_PROTOCOLS
from bigprior.training.run import Run, named, state_of, step_rng, train_network

#: One of these measures a step's pictures.
PROTOCOLS = tuple(protocol for protocols in TASK_PROTOCOLS.values() for protocol in protocols)


class EncoderSettings(Settings):
    """Everything that decides how an encoder is trained; saved beside its weights.

    Attributes:
        codes, layer: of the inversions that it begins; see :class:`~bigprior.priors.gan.InversionSettings`.
        samples: share of a step's pictures that the generator made itself.
        shared: share of the steps, the first ones, in which all pictures have the same, learned, codes, and their own
            channel weights only: they cost a third, since the codes' way through the first layers is most of the work.
        perceptual: weight of the pyramid term beside the squared error.
        total_kimg: thousands of pictures to see.
        lr: the peak of Adam's step size, after a short start. It falls along a half cosine while codes are shared, and
            along another, from a third of it, while they are not.
        clip: largest norm of the gradient.
    """

    codes: PositiveInt = 15
    layer: int = Field(default=6, ge=0)
    width: PositiveInt = 64
    hidden: PositiveInt = 192
    batch: PositiveInt = 16
    samples: float = Field(default=0.25, ge=0, le=1)
    shared: float = Field(default=0.9, ge=0, le=1)
    perceptual: float = Field(default=0.1, ge=0)
    total_kimg: PositiveFloat = 10.0
    lr: PositiveFloat = 1e-3
    clip: PositiveFloat = 1.0
    snapshot_kimg: PositiveFloat = 1.0
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0


def train_encoder(
    data: Path | str,
    generator: Generator,
    out: Path | str,
    settings: EncoderSettings,
    *,
    index: tuple[int, int] | None = None,
    header: dict[str, Any] | None = None,
    quiet: bool = False,
) -> Path:
    """Train an encoder for a frozen generator; a run that was interrupted goes on where its last save was.

    Args:
        data: folder of photographs; their centre squares are resized to the generator's size.
        generator: what is inverted.
        out: the run's folder: state, log, pictures, and ``encoder.safetensors``.
        index: first and last picture of ``data`` in the order of their names, both included; all by default.
        header: added to the weights' settings.
        quiet: no progress bar.

    Returns:
        The path of the exported weights.

    Raises:
        ImageError: no pictures in ``data``.
        SettingsError: ``out`` belongs to a run with other settings, or a layer that the generator does not have.
    """
    files = list_pictures(data, index)
    sources = {"pictures": named(files), "generator": type(generator).__name__}
    if isinstance(generator, nn.Module):
        sources["generator"] += f" {digest_of(*generator.state_dict().values())[:16]}"
    run = Run(out, settings, sources, quiet=quiet)
    trainer = _Trainer(settings, generator, load_square(files, generator.resolution))
    run.restore(trainer)
    recipe = {"architecture": "code-encoder", "network": trainer.network.settings, "recipe": settings.model_dump()}
    return train_network(run, trainer, run.folder / "encoder.safetensors", {**recipe, **(header or {})})


class _Trainer:
    def __init__(self, settings: EncoderSettings, generator: Generator, pictures: Tensor) -> None:
        self.settings, self.pictures = settings, pictures
        s = settings
        self.prior = GANPrior(generator, InversionSettings(codes=s.codes, layer=s.layer))
        channels = generator.channels_at(s.layer)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(s.seed)
            self.network = CodeEncoder(
                generator.resolution, s.codes, s.layer, generator.z_dim, channels, s.width, s.hidden
            )
        self.network.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.network.parameters(), s.lr, betas=(0.9, 0.99))
        self.step = 0

    @property
    def steps(self) -> int:
        return max(1, round(self.settings.total_kimg * 1000 / self.settings.batch))

    @property
    def shared_steps(self) -> int:
        return round(self.settings.shared * self.steps)

    def lr(self) -> float:
        """The step size of the step to come."""
        peak, first, last = self.settings.lr, 0, self.shared_steps
        if self.step >= self.shared_steps:
            peak, first, last = peak / 3, self.shared_steps, self.steps
        half = 0.5 + 0.5 * math.cos(math.pi * (self.step - first) / (last - first))
        return peak * min(half, (self.step + 1) / 100)

    def train_step(self) -> float:
        s, rng = self.settings, step_rng(self.settings.seed, self.step)
        x = self.truth(s.batch, rng)
        protocol = PROTOCOLS[int(torch.randint(len(PROTOCOLS), (), generator=rng))]
        y, physics = simulate(protocol, x, [str(i) for i in range(len(x))], draw=1 + self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr()
        with autocast(s.precision, x.device):
            z, alpha = self.network(physics.measure(y))
            if self.step < self.shared_steps:
                z = self.network.start[None]
            image = self.prior.compose(z, alpha).float()
        term = PyramidTerm()
        near_truth, _ = InversionLoss(x, 1.0, 0.0, s.perceptual, term)(image)
        # Noise is no part of what f should give back; what was kept of the truth is.
        near_measured, _ = InversionLoss(physics.f(x), 1.0, 0.0, s.perceptual, term)(physics.f(image))
        loss = (near_truth + near_measured).mean()
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), s.clip)
        self.optimizer.step()
        self.step += 1
        return loss.item()

    def truth(self, count: int, rng: torch.Generator) -> Tensor:
        """Photographs, mirrored or not, and samples of the generator: (count, 3, R, R) in [0, 1]."""
        made = round(self.settings.samples * count)
        chosen = self.pictures[torch.randint(len(self.pictures), (count - made,), generator=rng)].float().div(255)
        flip = torch.rand(len(chosen), 1, 1, 1, generator=rng) < 0.5
        chosen = torch.where(flip, chosen.flip(3), chosen)
        with torch.no_grad():
            z = torch.randn(made, self.prior.generator.z_dim, generator=rng)
            return torch.cat([chosen, self.prior.generator(z).clamp(0, 1)]) if made else chosen

    @torch.no_grad()
    def sample_grid(self) -> Tensor:
        """Eight pictures that never change, their noisy and grey measurements, and where their inversions begin."""
        x = self.truth(8, step_rng(self.settings.seed, -1))
        rows = [x]
        for protocol in ("denoising-25", "colorization"):
            y, physics = simulate(protocol, x, [str(i) for i in range(len(x))])
            rows += [physics.g_inv(y), self.prior.compose(*self.network(physics.measure(y)))]
        return make_grid(torch.cat(rows).clamp(0, 1), nrow=8, padding=0)

    def state(self) -> dict[str, Any]:
        return state_of(self, "step", "network", "optimizer")
