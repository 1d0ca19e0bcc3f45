"""Scratches that a denoiser goes on with."""

import numpy as np
import pytest
import skimage.data
import torch

import bigprior
from bigprior.degradations import Inpainting
from bigprior.io.arrays import as_picture
from bigprior.ops import filling
from bigprior.priors.continuing import Continuing

PHOTO = as_picture(skimage.data.astronaut()[40:168, 160:288] / 255)
HOLE = torch.zeros(1, 1, 128, 128)
for i in range(10, 118):
    HOLE[..., i, i - 4 : i + 2] = HOLE[..., 128 - i : 132 - i, i // 2 + 30] = 1


class Shrunk(torch.nn.Module):
    """Takes everything for grey; it notes what it is told."""

    def __init__(self):
        super().__init__()
        self.told = []

    def forward(self, x, sigma):
        self.told.append((tuple(x.shape[2:]), sigma))
        return torch.full_like(x, 0.5)


def test_the_denoiser_is_asked_of_less_and_less_noise_and_only_where_a_hole_is():
    denoiser, picture, hole = Shrunk(), torch.rand(1, 3, 300, 700), torch.zeros(1, 1, 300, 700)
    hole[..., 20:24, 600:690] = 1
    out = Continuing(denoiser)(picture, hole)
    sizes, levels = zip(*denoiser.told, strict=True)
    assert set(sizes) <= {(300, 236), (236, 300)}  # one tile with its halo, cut at the edges
    assert len(levels) == 16 and list(levels) == sorted(levels, reverse=True)
    assert torch.equal(out * (1 - hole), picture * (1 - hole))
    assert (out[..., 20:24, 600:690] - 0.5).abs().max() < (picture[..., 20:24, 600:690] - 0.5).abs().max()


def test_scratches_in_a_photograph_are_filled_better_than_by_a_surface_in_any_range():
    restorer, physics = bigprior.load_restorer(task="inpainting"), Inpainting(1 - HOLE)
    y, lost = physics.f(PHOTO), HOLE[0, 0].numpy() > 0
    out, dark = (restorer.restore(gain * y, physics).restored for gain in (1, 0.01))
    smooth = filling.smooth(y[0].permute(1, 2, 0).numpy(), lost, lost)
    errors = [
        float(np.square(image - PHOTO[0].permute(1, 2, 0).numpy())[lost].mean())
        for image in (out[0].permute(1, 2, 0).numpy(), smooth)
    ]
    assert errors[0] < 0.8 * errors[1]
    assert torch.equal(out * (1 - HOLE), y)
    torch.testing.assert_close(100 * dark, out, atol=0.06, rtol=0)


@pytest.mark.parametrize("count", [1, 2])
def test_pictures_do_not_depend_on_their_neighbours(count):
    denoiser = Shrunk()
    pictures, holes = torch.rand(2, 3, 40, 40), torch.zeros(2, 1, 40, 40)
    holes[0, :, 5:8], holes[1, :, :, 9:12] = 1, 1
    both = Continuing(denoiser)(pictures, holes)
    assert torch.equal(both[:count], Continuing(denoiser)(pictures[:count], holes[:count]))
