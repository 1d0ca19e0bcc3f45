"""Colours spread from where they are known."""

import numpy as np
import scipy.sparse.linalg

from bigprior.ops.spreading import local_line, spread


def test_values_go_as_far_as_the_luminance_is_alike():
    luminance = np.full((20, 30), 0.3)
    luminance[:, 15:] = 0.8
    values, known = np.zeros((20, 30, 2)), np.zeros((20, 30), dtype=bool)
    known[10, 3] = known[10, 25] = True
    values[10, 3], values[10, 25] = (1, -1), (0, 2)
    out = spread(values, known, luminance)
    assert np.array_equal(out[known], values[known])
    assert (out[:, :14, 0] > 0.5).all() and (out[:, 17:, 0] < 0.1).all()
    assert (out[:, 17:, 1] > 1).all()


def test_it_solves_what_it_says():
    luminance, known = np.random.default_rng(0).random((6, 7)), np.zeros((6, 7), dtype=bool)
    known[2, 3] = True
    out = spread(np.where(known[..., None], 1.0, 0.0), known, luminance)[..., 0]
    assert out.max() == out[2, 3] == 1 and out.min() > 0  # a weighted mean of neighbours, faded


def test_known_pixels_alone_need_no_solving(monkeypatch):
    monkeypatch.setattr(scipy.sparse.linalg, "spsolve", None)
    values = np.random.default_rng(1).random((4, 5, 3))
    assert np.array_equal(spread(values, np.ones((4, 5), dtype=bool), values[..., 0]), values)


def test_a_line_that_values_lie_on_is_found():
    luminance = np.random.default_rng(2).random((16, 16))
    slope, offset = local_line((0.5 * luminance + 0.1)[..., None], luminance)
    np.testing.assert_allclose(slope, 0.5, atol=1e-2)
    np.testing.assert_allclose(slope * luminance[..., None] + offset, (0.5 * luminance + 0.1)[..., None], atol=1e-2)
