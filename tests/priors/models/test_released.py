"""Weights as their authors released them: recognised, asked rightly, and refused in one line where they do not fit."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bigprior.degradations import Colorization, Denoising, Inpainting
from bigprior.errors import SettingsError, WeightsError
from bigprior.networks.colorful import ECCV16, SIGGRAPH17
from bigprior.networks.deepfill import DeepFillV2, attended
from bigprior.networks.ircnn import IRCNN
from bigprior.presets.loading import load_restorer
from bigprior.priors.models import load_model

#: Of each released file, how many tensors it has, and the shapes of some.
RELEASED: dict[type[nn.Module], tuple[int, dict[str, tuple[int, ...]]]] = {
    ECCV16: (
        82,
        {
            "model1.0.weight": (64, 1, 3, 3),
            "model1.2.weight": (64, 64, 3, 3),
            "model1.4.running_var": (64,),
            "model3.6.weight": (256,),
            "model5.4.weight": (512, 512, 3, 3),
            "model8.0.weight": (512, 256, 4, 4),
            "model8.6.weight": (313, 256, 1, 1),
            "model_out.weight": (2, 313, 1, 1),
        },
    ),
    SIGGRAPH17: (
        107,
        {
            "model1.0.weight": (64, 4, 3, 3),
            "model7.6.num_batches_tracked": (),
            "model8up.0.weight": (512, 256, 4, 4),
            "model3short8.0.weight": (256, 256, 3, 3),
            "model8.5.running_mean": (256,),
            "model9.1.weight": (128, 128, 3, 3),
            "model1short10.0.weight": (128, 64, 3, 3),
            "model10.1.weight": (128, 128, 3, 3),
            "model_class.0.weight": (529, 256, 1, 1),
            "model_out.0.weight": (2, 128, 1, 1),
        },
    ),
    DeepFillV2: (
        84,
        {
            "stage1.conv1.conv.weight": (48, 5, 5, 5),
            "stage1.down_block1.conv1_downsample.conv.weight": (96, 24, 3, 3),
            "stage1.conv_bn7.conv.bias": (192,),
            "stage1.up_block2.conv1_upsample.conv.conv.weight": (48, 48, 3, 3),
            "stage1.conv_to_rgb.conv.weight": (3, 12, 3, 3),
            "stage2.b1_down_block1.conv1_downsample.conv.weight": (48, 24, 3, 3),
            "stage2.b2_down_block2.conv1_downsample.conv.weight": (192, 48, 3, 3),
            "stage2.conv_bn6.conv.weight": (192, 192, 3, 3),
        },
    ),
    IRCNN: (350, {"0.model.0.weight": (64, 3, 3, 3), "24.model.12.bias": (3,)}),
}
#: Small ones.
SMALL = {
    ECCV16: {"width": 2, "classes": 5},
    SIGGRAPH17: {"width": 2, "classes": 5},
    DeepFillV2: {"width": 8},
    IRCNN: {"width": 4, "levels": 3},
}


def state_of(network: type[nn.Module]) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return network(**SMALL[network]).eval().state_dict()


@pytest.mark.parametrize("network", list(RELEASED))
def test_names_and_shapes_are_those_of_the_release(network: type[nn.Module]) -> None:
    with torch.device("meta"):
        state = network().state_dict()
    count, shapes = RELEASED[network]
    assert {name: tuple(state[name].shape) for name in shapes} == shapes
    assert len(state) == count


@pytest.mark.parametrize("network", [ECCV16, SIGGRAPH17])
def test_colours_come_from_lightness(network: type[nn.Module], tmp_path: Path) -> None:
    torch.save(state_of(network), tmp_path / "colours.pth")
    model = load_model(tmp_path / "colours.pth")
    assert model.model.takes.architecture == network.__name__ and model.model.takes.colours
    y, physics = torch.rand(1, 1, 20, 30), Colorization()
    result = load_restorer(task="colorize", prior=tmp_path / "colours.pth").restore(y, physics)
    assert torch.allclose(physics.f(result.prior), y, atol=1e-5)
    with pytest.raises(SettingsError, match="gives colours to grey pictures: it cannot denoise"):
        load_restorer(task="denoise", prior=tmp_path / "colours.pth")


def test_deepfill_fills_holes_from_its_checkpoint(tmp_path: Path) -> None:
    torch.save({"G": state_of(DeepFillV2), "D": {"x": torch.zeros(1)}, "n_iter": 3}, tmp_path / "fill.pth")
    mask = torch.ones(1, 1, 40, 48)
    mask[..., 10:20, 12:30] = 0
    x = torch.rand(1, 3, 40, 48)
    result = load_restorer(task="inpaint", prior=tmp_path / "fill.pth").restore(x * mask, Inpainting(mask))
    known = mask.expand_as(x) == 1
    assert torch.equal(result.restored[known], x[known]) and bool((result.restored[~known] != 0).all())


def test_attention_copies_what_is_known() -> None:
    """Of two textures, a hole in one of them takes that one's patches."""
    x = torch.zeros(1, 2, 16, 32)
    x[:, 0, :, :16], x[:, 1, :, 16:] = 1.0, 1.0
    hole = torch.zeros(1, 1, 64, 128)
    hole[..., 24:40, 88:104] = 1
    out = attended(x, hole)
    assert out.shape == x.shape
    inside = out[0, :, 7:9, 23:25].mean((1, 2))
    assert inside[1] > 5 * inside[0]


def test_ircnn_has_a_network_for_each_noise_level(tmp_path: Path) -> None:
    whole = state_of(IRCNN)
    nested = {str(k): {n[2:]: t for n, t in whole.items() if n.startswith(f"{k}.")} for k in range(3)}
    torch.save(nested, tmp_path / "ircnn.pth")
    model = load_model(tmp_path / "ircnn.pth").model
    assert model.takes.architecture == "IRCNN" and model.takes.told == "sigma"
    x, levels = torch.rand(1, 3, 9, 11), list(model.network.children())
    for sigma, k in ((0.5, 0), (2.0, 0), (2.1, 1), (6.0, 2), (50.0, 2)):
        assert torch.equal(model(x, torch.tensor([sigma / 255])), x - levels[k](x))
    result = load_restorer(task="denoise", prior=tmp_path / "ircnn.pth").restore(x, Denoising(4 / 255))
    assert result.restored.shape == x.shape

    torch.save(nested["0"], tmp_path / "one.pth")
    assert load_model(tmp_path / "one.pth").model.takes.architecture == "IRCNN"


@pytest.mark.parametrize("network", list(RELEASED))
def test_tensors_of_another_shape_are_refused(network: type[nn.Module], tmp_path: Path) -> None:
    state = state_of(network)
    name = next(name for name in reversed(state) if state[name].ndim == 4)
    torch.save(state | {name: torch.zeros(1, 2, 7, 7)}, tmp_path / "wrong.pth")
    with pytest.raises(WeightsError, match=r"wrong.pth: not the weights of "):
        load_model(tmp_path / "wrong.pth")
