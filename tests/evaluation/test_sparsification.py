"""Maps that say where a picture is wrong, and maps that do not."""

import pytest
import torch

from bigprior.evaluation.sparsification import LEFT_OUT, sparsified


def test_a_map_that_knows_is_the_oracle_and_one_that_knows_nothing_is_flat() -> None:
    rng = torch.Generator().manual_seed(0)
    error = torch.rand(4000, generator=rng).square()
    knows, guesses = sparsified(2 * error + 1, error), sparsified(torch.rand(4000, generator=rng), error)
    assert knows.area == pytest.approx(0, abs=1e-9)
    assert knows.correlation == pytest.approx(1) and knows.rank_correlation == pytest.approx(1)
    assert guesses.curve[-1] == pytest.approx(1, abs=0.2) and abs(guesses.correlation) < 0.1
    assert sparsified(-error, error).area > guesses.area > 0.2
    assert len(knows.curve) == len(LEFT_OUT) and knows.curve[0] == 1


def test_a_map_that_is_the_same_everywhere_says_nothing() -> None:
    error = torch.cat([torch.zeros(500), torch.ones(500)])
    flat = sparsified(torch.ones(1000), error)
    assert flat.correlation == flat.rank_correlation == 0
    assert flat.curve[10] == pytest.approx(1, abs=0.1)  # the order of the pixels does not tell
    assert sparsified(torch.ones(1), torch.zeros(1)).area == pytest.approx(0)
