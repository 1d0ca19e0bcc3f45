"""The discriminator, the augmentation and the losses."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bigprior.ops.perceptual import TAP_CHANNELS
from bigprior.training.discriminator import (
    PatchDiscriminator,
    ProjectedDiscriminator,
    augment,
    hinge_discriminator,
    hinge_generator,
    moment_distance,
)


def features(n: int = 4, side: int = 16) -> dict[str, Tensor]:
    return {tap: torch.randn(n, c, side >> i, side >> i) for i, (tap, c) in enumerate(TAP_CHANNELS.items())}


def test_each_scale_gives_a_map_of_logits_of_one_size() -> None:
    logits = ProjectedDiscriminator(8).eval()(features(4, 32))
    assert [tuple(x.shape) for x in logits] == [(4, 1, 4, 4)] * len(TAP_CHANNELS)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 9, 16])
def test_any_number_of_pictures(n: int) -> None:
    for logits in ProjectedDiscriminator(4).eval()(features(n, 8)):
        assert logits.shape[0] == n
        assert logits.isfinite().all()


def test_it_sees_whether_the_pictures_of_a_batch_differ() -> None:
    discriminator, varied = ProjectedDiscriminator(4).eval(), features(4)
    same = {k: v[:1].expand_as(v) for k, v in varied.items()}
    for one, other in zip(discriminator(varied), discriminator(same), strict=True):
        assert not torch.allclose(one[0], other[0])


def test_the_projections_are_fixed_and_the_rest_is_bounded() -> None:
    discriminator = ProjectedDiscriminator(8)
    fixed = [
        m
        for m in discriminator.modules()
        if isinstance(m, torch.nn.Conv2d) and not any(p.requires_grad for p in m.parameters())
    ]
    assert [tuple(m.weight.shape) for m in fixed] == [(8, c, 1, 1) for c in TAP_CHANNELS.values()]
    for module in discriminator.modules():
        if isinstance(module, torch.nn.Conv2d) and module not in fixed:
            assert torch.linalg.matrix_norm(module.weight.flatten(1), 2) < 1.2


@given(n=st.integers(1, 4), side=st.sampled_from([4, 8, 16, 17]), seed=st.integers(0, 1000))
def test_augmentation_keeps_the_shape_and_lets_gradients_through(n: int, side: int, seed: int) -> None:
    image = torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed)).requires_grad_()
    out = augment(image, torch.Generator().manual_seed(seed))
    assert out.shape == image.shape
    assert out.isfinite().all()
    out.sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    again = augment(image.detach(), torch.Generator().manual_seed(seed))
    assert torch.equal(out.detach(), again)


def test_augmentation_shifts_and_cuts_each_picture_for_itself() -> None:
    image = torch.ones(64, 3, 24, 24)
    out = augment(image, torch.Generator().manual_seed(0))
    black = (out == 0).all(dim=1)
    assert len({tuple(b.flatten().tolist()) for b in black}) > 50  # each its own
    # A square of 8x8 at most is cut, and an eighth, 3 pixels, at most flows in at two sides.
    assert black.flatten(1).sum(1).max() <= 8 * 8 + 2 * 3 * 24
    assert black.flatten(1).sum(1).min() >= 4 * 4
    assert len(out.amax(dim=(1, 2, 3)).unique()) > 50  # brightness


def test_the_shift_moves_pixels_without_mixing_them() -> None:
    image = torch.arange(24.0 * 24).view(1, 1, 24, 24).expand(1, 3, 24, 24) / 576
    for seed in range(5):
        out = augment(image, torch.Generator().manual_seed(seed))[0, 0]
        rows, columns = (out != 0).nonzero().unbind(1)
        # Colour changes are affine for a grey picture: the step between neighbours is one number, except at the cut.
        inside = out[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        steps = inside.diff(dim=1)[(inside[:, 1:] != 0) & (inside[:, :-1] != 0)]
        torch.testing.assert_close(steps, torch.full_like(steps, steps.median().item()), atol=1e-5, rtol=0)


def test_hinge_values_on_known_logits() -> None:
    real = [torch.tensor([2.0, 0.5]), torch.tensor([[1.0]])]
    fake = [torch.tensor([-3.0, 0.0]), torch.tensor([[0.5]])]
    # real: mean(0, 0.5) + 0; fake: mean(0, 1) + 1.5
    assert hinge_discriminator(real, fake).item() == pytest.approx(0.25 + 0.5 + 1.5)
    assert hinge_generator(fake).item() == pytest.approx(1.5 - 0.5)
    assert hinge_discriminator([torch.ones(3)], [-torch.ones(3)]).item() == 0


def test_equal_batches_have_no_moment_distance() -> None:
    real = features()
    assert moment_distance(real, {k: v.clone() for k, v in real.items()}).item() == 0
    shuffled = {k: v.flip(0) for k, v in real.items()}
    assert moment_distance(real, shuffled).item() == pytest.approx(0, abs=1e-4)


def test_the_moment_distance_is_in_units_of_the_real_spread() -> None:
    real = {"a": torch.randn(64, 3, 4, 4)}
    spread = real["a"].std(dim=0, correction=0).mean().item()
    assert moment_distance(real, {"a": real["a"] + 2}).item() == pytest.approx(2 / spread, rel=1e-4)
    # Twice the spread around the same mean: the spread differs by once itself.
    mean = real["a"].mean(0)
    assert moment_distance(real, {"a": mean + 2 * (real["a"] - mean)}).item() == pytest.approx(1, rel=1e-3)
    scaled = {"a": real["a"] * 7}
    other = {"a": torch.randn(64, 3, 4, 4)}
    once = moment_distance(real, other).item()
    assert moment_distance(scaled, {"a": other["a"] * 7}).item() == pytest.approx(once, rel=1e-4)


def test_one_picture_for_every_code_is_far_from_real() -> None:
    real = {"a": torch.randn(8, 3, 4, 4)}
    collapsed = {"a": real["a"].mean(0, keepdim=True).expand_as(real["a"]).clone().requires_grad_()}
    distance = moment_distance(real, collapsed)
    assert distance.item() == pytest.approx(1, rel=1e-3)
    distance.backward()  # equal pictures have no spread: its gradient must still be a number
    assert collapsed["a"].grad is not None


def test_patches_of_eight_pixels_get_a_logit_each() -> None:
    logits, features = PatchDiscriminator(4)(torch.rand(2, 3, 40, 24), torch.ones(2, 1, 40, 24))
    assert logits.shape == (2, 1, 5, 3)
    assert [x.shape[1] for x in features] == [4, 8, 16]
