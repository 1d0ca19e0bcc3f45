"""What a run draws: the same on every device."""

import pytest
import torch
import torch.nn.functional as F

from bigprior.training.draws import noise_like, random_squares


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def splitmix64(place: int) -> int:
    """As its authors publish it."""
    most = (1 << 64) - 1
    z = (place * 0x9E3779B97F4A7C15) & most
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & most
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & most
    return z ^ (z >> 31)


def test_noise_is_white_gaussian_and_another_for_another_draw() -> None:
    x = torch.empty(5, 3, 201, 67)
    noise = noise_like(x, rng())
    assert noise.shape == x.shape and noise.dtype == torch.float32
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    for power, moment in ((2, 1), (3, 0), (4, 3)):
        assert float((noise**power).mean()) == pytest.approx(moment, abs=0.06)
    flat = noise.flatten()
    for shift in (1, 67, 201 * 67, len(flat) // 2):
        assert abs(float((flat[:-shift] * flat[shift:]).mean())) < 0.01
    assert torch.equal(noise, noise_like(x, rng())) and not torch.equal(noise, noise_like(x, rng(1)))
    assert noise_like(torch.empty(1), rng()).isfinite().all() and noise_like(torch.empty(0), rng()).shape == (0,)


def test_noise_is_made_of_splitmix64() -> None:
    first = int(torch.randint(1 << 62, (), generator=rng(3)))
    expected = []
    for place in range(first, first + 4):
        bits = splitmix64(place)
        u, v = (((part & 0xFFFFFF) + 0.5) / (1 << 24) for part in (bits, bits >> 24))
        radius, angle = (-2 * torch.tensor(u).double().log()).sqrt(), torch.tensor(2 * torch.pi * v).double()
        expected.append((radius * angle.cos(), radius * angle.sin()))
    noise = noise_like(torch.empty(8), rng(3))
    torch.testing.assert_close(noise, torch.tensor(expected).T.flatten().float(), atol=1e-5, rtol=1e-4)


def test_squares_lie_in_their_pictures_and_come_in_their_order() -> None:
    sizes = [(9, 30), (40, 9), (12, 12), (33, 21)]
    pictures = []
    for i, (height, width) in enumerate(sizes):  # the picture, the row and the column of every pixel
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        pictures.append(torch.stack([torch.full_like(rows, 50 * i), 5 * rows, 5 * columns]).byte())
    tops, turned = set(), set()
    for seed in range(40):
        x = random_squares(pictures, [9, 9, 9, 9], 9, rng(seed)) * 255
        for i, (height, width) in enumerate(sizes):
            assert (x[i, 0] == 50 * i).all()
            assert (x[i, 1].diff(dim=0).round() == 5).all() and 0 <= x[i, 1, 0, 0] <= 5 * (height - 9)
            assert x[i, 2].diff(dim=1).round().abs().eq(5).all() and x[i, 2].max() <= 5 * (width - 1)
            turned.add(float(x[i, 2].diff(dim=1)[0, 0].sign()))
        tops.add(int(x[1, 1, 0, 0]) // 5)
    assert turned == {-1, 1} and min(tops) < 4 and max(tops) > 28


def test_squares_of_other_widths_are_resized() -> None:
    picture = torch.randint(256, (3, 16, 16), generator=rng()).byte()
    x = random_squares([picture, picture], [16, 8], 8, rng())
    smaller = F.interpolate(picture[None].float() / 255, size=(8, 8), mode="bicubic", antialias=True).clamp(0, 1)
    assert any(torch.allclose(x[:1], seen) for seen in (smaller, smaller.flip(3)))
    assert set((x[1] * 255).round().byte().flatten().tolist()) <= set(picture.flatten().tolist())
