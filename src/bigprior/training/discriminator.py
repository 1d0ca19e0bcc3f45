"""Networks that tell made pictures from real ones.

For whole pictures the projected discriminator (Sauer et al., "Projected GANs Converge Faster", NeurIPS 2021), small;
for filled holes a plain one of patches, which sees what features for classification are blind to: grids, and smears.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from bigprior.ops.perceptual import TAP_CHANNELS


class ProjectedDiscriminator(nn.Module):
    """One light head on each scale of frozen features; each gives a map of logits.

    Features pass a fixed random 1x1 projection, then strided spectral-norm convolutions down to 1/8 of the
    picture's side, then one 1x1 convolution to logits, which also sees how much the pictures of a batch differ.

    Deviates: projected GANs have no such statistic; without it this generator made one picture for every code.

    Args:
        width: channels of every head.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.projections, self.heads = nn.ModuleDict(), nn.ModuleDict()
        for tap, strided in zip(TAP_CHANNELS, (3, 2, 1), strict=True):
            self.projections[tap] = nn.Conv2d(TAP_CHANNELS[tap], width, 1, bias=False)
            blocks: list[nn.Module] = []
            for _ in range(strided):
                blocks += [spectral_norm(nn.Conv2d(width, width, 3, stride=2, padding=1)), nn.LeakyReLU(0.2)]
            blocks += [_BatchSpread(), spectral_norm(nn.Conv2d(width + 1, 1, 1))]
            self.heads[tap] = nn.Sequential(*blocks)

        for projection in self.projections.parameters():
            nn.init.kaiming_normal_(projection, nonlinearity="linear")
        self.freeze_projections()

    def freeze_projections(self) -> None:
        """The random projections stay as they were drawn."""
        self.projections.requires_grad_(False)

    def forward(self, features: dict[str, Tensor]) -> list[Tensor]:
        """Features by tap to one map of logits (N, 1, h, w) a tap."""
        return [head(self.projections[tap](features[tap])) for tap, head in self.heads.items()]


class PatchDiscriminator(nn.Module):
    """One logit for every patch of 8 pixels a side: is it real, or filled? (Isola et al., CVPR 2017).

    Spectral-norm convolutions, so that no penalty on gradients is needed (Miyato et al., ICLR 2018).

    Args:
        width: channels at half the picture's side; each halving doubles them.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        channels = (4, width, 2 * width, 4 * width)
        self.shrink = nn.ModuleList(spectral_norm(nn.Conv2d(a, b, 4, 2, 1)) for a, b in pairwise(channels))
        self.tail = nn.Sequential(
            spectral_norm(nn.Conv2d(4 * width, 4 * width, 3, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(4 * width, 1, 1)),
        )

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Pictures (N, 3, H, W) in [0, 1] and masks (N, 1, H, W) to logits (N, 1, H / 8, W / 8), and the features."""
        x, features = torch.cat([2 * image - 1, mask], dim=1).contiguous(memory_format=torch.channels_last), []
        for convolution in self.shrink:
            x = F.leaky_relu(convolution(x), 0.2)
            features.append(x)
        return self.tail(x), features


class _BatchSpread(nn.Module):
    """Append Progressive GAN's minibatch standard deviation, over groups of up to eight pictures, as a channel."""

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        group = next(g for g in range(min(8, n), 0, -1) if n % g == 0)
        deviation = x.unflatten(0, (group, -1)).var(dim=0, unbiased=False).add(1e-8).sqrt().mean(dim=(1, 2, 3))
        return torch.cat([x, deviation.repeat(group).view(n, 1, 1, 1).expand(n, 1, h, w)], dim=1)


def augment(image: Tensor, rng: torch.Generator) -> Tensor:
    """Differentiable augmentation (Zhao et al., NeurIPS 2020): colour, shift and cut-out, one draw a picture.

    Args:
        image: (N, 3, H, W), RGB in [0, 1].
        rng: draws the augmentation; gradients flow to ``image``.
    """
    n, _, h, w = image.shape

    def uniform(low: float, high: float) -> Tensor:
        return (torch.rand(n, 1, 1, 1, generator=rng) * (high - low) + low).to(image.device)

    image = image + uniform(-0.25, 0.25)
    grey = image.mean(dim=1, keepdim=True)
    image = (image - grey) * uniform(0.0, 2.0) + grey
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    image = (image - mean) * uniform(0.5, 1.5) + mean

    # Shift by up to an eighth, zeros flowing in; the shift is a whole number of pixels.
    top = torch.randint(-(h // 8), h // 8 + 1, (n, 1), generator=rng)
    left = torch.randint(-(w // 8), w // 8 + 1, (n, 1), generator=rng)
    rows, columns = torch.arange(h) + top, torch.arange(w) + left
    inside = ((rows >= 0) & (rows < h))[:, :, None] & ((columns >= 0) & (columns < w))[:, None, :]
    index = (rows.clamp(0, h - 1)[:, :, None] * w + columns.clamp(0, w - 1)[:, None, :]).view(n, 1, -1)
    image = image.flatten(2).gather(2, index.expand(-1, 3, -1).to(image.device)).view_as(image)

    # Cut out a square of a third of the side.
    side = h // 3
    y = torch.randint(0, h, (n, 1), generator=rng) - side // 2
    x = torch.randint(0, w, (n, 1), generator=rng) - side // 2
    rows, columns = torch.arange(h) - y, torch.arange(w) - x
    cut = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]
    return image * (inside & ~cut)[:, None].to(image)


def hinge_discriminator(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Hinge loss of the discriminator, summed over its heads."""
    terms = [F.relu(1 - r.float()).mean() + F.relu(1 + f.float()).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).sum()


def hinge_generator(fake: list[Tensor]) -> Tensor:
    """Hinge loss of the generator, summed over the discriminator's heads."""
    return -torch.stack([f.float().mean() for f in fake]).sum()


def moment_distance(real: dict[str, Tensor], fake: dict[str, Tensor]) -> Tensor:
    """How far two batches' features are apart in mean and spread, place by place, in units of the real spread.

    The first two moments of generative feature matching (dos Santos et al., ICCV 2019). They hold what a hinge loss
    on single pictures is blind to: that the pictures of a batch differ.
    """
    total = []
    for tap, features in fake.items():
        (target_mean, target_spread), (mean, spread) = _moments(real[tap]), _moments(features)
        scale = target_spread.mean().clamp_min(1e-6)
        total.append((mean - target_mean).abs().mean() / scale)
        total.append((spread - target_spread).abs().mean() / scale)
    return torch.stack(total).sum()


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread over the batch, place by place.

    On the flattened channels-last maps, whose rows are contiguous: reducing the maps as they are is 20 times slower.
    """
    flat = features.permute(0, 2, 3, 1).flatten(1).float()
    mean = flat.mean(dim=0)
    variance = (flat * flat).mean(dim=0) - mean * mean
    return mean, variance.clamp_min(1e-12).sqrt()
