"""What phi is good for: two pictures with filled holes are aligned more precisely where 1 - phi weighs the pixels.

    python examples/weighted_registration.py

A photograph (astronaut, chelsea and coffee of scikit-image) and the same a little shifted have different holes, which
are filled. The shift is then found by Lucas and Kanade's least squares (1981), once with all pixels alike, and once
with each weighed by how much of it was measured in both. Prints the error of each, in pixels, and how far it falls.
"""

import argparse

import skimage.data
import torch
import torch.nn.functional as F
from torch import Tensor

from bigprior import Inpainting, Restoration, Restorer, load_restorer
from bigprior.io.arrays import as_picture
from bigprior.ops.masks import random_boxes
from bigprior.ops.resampling import resized

SIDE, MARGIN = 128, 8


def moved(x: Tensor, shift: Tensor) -> Tensor:
    """A picture (1, C, H, W) seen so far to the right and below, ``shift`` in pixels; edges are repeated."""
    height, width = x.shape[2:]
    theta = torch.eye(2, 3)[None].clone()
    theta[0, :, 2] = 2 * shift / torch.tensor([width, height])
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bicubic", padding_mode="border", align_corners=False)


def found_shift(a: Tensor, b: Tensor, weight: Tensor, steps: int = 30) -> Tensor:
    """The shift (2,) by which ``a`` is to be moved to look like ``b``, by least squares with a weight a pixel."""
    shift = torch.zeros(2)
    weight = weight[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    for _ in range(steps):
        seen = moved(a, shift)
        down, across = torch.gradient(seen, dim=(2, 3))
        columns = [x[..., MARGIN:-MARGIN, MARGIN:-MARGIN].flatten() for x in (across, down, b - seen)]
        w = weight.expand_as(a[..., MARGIN:-MARGIN, MARGIN:-MARGIN]).flatten()
        slope = torch.stack(columns[:2], dim=1)
        shift = shift + torch.linalg.solve(slope.T @ (w[:, None] * slope), slope.T @ (w * columns[2]))
    return shift


def filled(restorer: Restorer, picture: Tensor, rng: torch.Generator) -> Restoration:
    """The picture with a few boxes lost, and filled."""
    physics = Inpainting(random_boxes(SIDE, SIDE, rng))
    return restorer.restore(physics.f(picture), physics)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=9)
    options = parser.parse_args()
    restorer, errors = load_restorer("photographs", "inpainting"), {"alike": 0.0, "by 1 - phi": 0.0}
    names = ("astronaut", "chelsea", "coffee")
    for i in range(options.pairs):
        rng = torch.Generator().manual_seed(i)
        photo = resized(as_picture(getattr(skimage.data, names[i % 3])()[:300, :300]), SIDE, SIDE).clamp(0, 1)
        shift = 4 * torch.rand(2, generator=rng) - 2
        a, b = filled(restorer, photo, rng), filled(restorer, moved(photo, shift).clamp(0, 1), rng)
        measured = (1 - a.phi) * (1 - b.phi)
        for name, weight in (("alike", torch.ones_like(measured)), ("by 1 - phi", measured)):
            error = found_shift(a.restored, b.restored, weight) - shift
            errors[name] += float(error.norm()) / options.pairs
    for name, error in errors.items():
        print(f"pixels weighed {name}: {error:.4f} pixels beside the true shift")
    print(f"the error falls by {1 - errors['by 1 - phi'] / errors['alike']:.0%}")


if __name__ == "__main__":
    main()
