"""Lines where a picture was made up, which come off again."""

import numpy as np
import pytest
import torch
from PIL import Image

from bigprior.degradations import Denoising
from bigprior.phi import ConstantPhi
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.report.tratteggio import hatched
from bigprior.restorer import Restorer


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lines_come_off_bit_for_bit_and_are_denser_where_more_is_made_up(dtype):
    picture = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (9, 32, 3), dtype=dtype, endpoint=True)
    phi = np.repeat(np.array([0, 70, 140, 200], np.uint8), 8)[None].repeat(9, axis=0)
    lines = hatched(picture, phi)
    assert np.array_equal(hatched(lines, phi), picture)
    changed = (lines != picture).any(axis=(0, 2)).reshape(4, 8).sum(axis=1)
    assert list(changed) == [0, 1, 2, 4]
    assert abs(lines.astype(int) - picture)[lines != picture].max() == 1 << (8 * picture.itemsize - 3)


def test_it_is_written_if_asked_for_and_the_map_beside_it_takes_it_off(tmp_path):
    y = torch.rand(1, 3, 20, 30)
    result = Restorer(PrecomputedPrior(torch.rand_like(y)), ConstantPhi(0.6)).restore(y, Denoising(0.1))
    paths = result.save(tmp_path / "out", only=["restored", "phi", "tratteggio"])
    drawn, phi = (np.asarray(Image.open(paths[name])) for name in ("tratteggio", "phi"))
    restored = np.asarray(Image.open(paths["restored"]))
    assert not np.array_equal(drawn, restored) and np.array_equal(hatched(drawn, phi), restored)
