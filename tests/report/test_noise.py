"""The charts of a camera's noise."""

import pytest
import torch

from bigprior.noise import Noise
from bigprior.report.noise import noise_curves, noise_figure


def test_noise_is_drawn_by_intensity_and_by_scale() -> None:
    """Light on the left, where noise is twice as strong in grey; twice as much at each coarser scale."""
    picture = torch.full((1, 3, 32, 64), 0.25)
    picture[..., :32] = 0.75
    shape = torch.zeros(1, 8, 8, 16)
    shape[:, ::2, :, :8] = torch.log(torch.tensor(2.0))
    shape += torch.arange(4).repeat_interleave(2).view(1, 8, 1, 1) * torch.log(torch.tensor(2.0))
    noise = Noise(torch.tensor([0.05]), torch.tensor([0.04]), False, shape)
    (grey, colours), by_scale = noise_curves(noise, picture)
    torch.testing.assert_close(grey[0], torch.tensor([0.25, 0.75]))
    torch.testing.assert_close(grey[1], torch.tensor([0.04, 0.08]))
    torch.testing.assert_close(colours[1], torch.tensor([0.04, 0.04]))
    torch.testing.assert_close(by_scale[1], 0.04 * 2.0 ** torch.arange(4))
    light, coarse = noise_figure(noise, picture).axes
    assert (
        [line.get_label() for line in light.lines] == [line.get_label() for line in coarse.lines] == ["grey", "colours"]
    )
    with pytest.raises(ValueError, match="no shape"):
        noise_curves(noise.levels(), picture)
