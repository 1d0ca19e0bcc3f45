"""Pictures of little contrast are shown to a prior at full contrast."""

import pytest
import torch

from bigprior.degradations import Colorization, Inpainting
from bigprior.priors.base import Prior, Projection
from bigprior.priors.ownrange import InOwnRange


class Tinted(Prior):
    """Fills with a colour of its own, whatever it sees, which it notes."""

    def propose(self, m, *, seed=0, progress=None):
        self.seen = m.fidelity
        return Projection(0.9 * m.fidelity + 0.1 * m.fidelity.new_tensor([0.9, 0.5, 0.2]).view(1, 3, 1, 1))


def measurement(task, x):
    mask = torch.ones(1, 1, 24, 24)
    mask[..., 8:12, 9:15] = 0
    physics = Colorization() if task == "colorization" else Inpainting(mask)
    return physics.measure(physics.f(x))


@pytest.mark.parametrize("task", ["colorization", "inpainting"])
def test_a_dark_picture_gets_what_a_bright_one_gets(task):
    x, prior = torch.rand(1, 3, 24, 24), Tinted()
    assert torch.equal(InOwnRange(prior).propose(measurement(task, x)).image, prior.propose(measurement(task, x)).image)
    answers = []
    for exposure in (0.02, 0.002):
        answers.append(InOwnRange(prior).propose(measurement(task, exposure * x)).image / exposure)
        known = measurement(task, x).hole
        seen = prior.seen if known is None else prior.seen[(known == 0).expand_as(prior.seen)]
        assert 0 <= seen.quantile(0.01) < 0.2 and 0.8 < seen.quantile(0.99) <= 1
    torch.testing.assert_close(answers[0], answers[1], atol=1e-3, rtol=0)


def test_a_picture_of_one_tone_is_a_picture():
    for tone in (0.0, 0.3, 1.0):
        answer = InOwnRange(Tinted()).propose(measurement("inpainting", torch.full((1, 3, 24, 24), tone))).image
        assert answer.isfinite().all() and (answer[..., 0, 0] - tone).abs().max() < 0.01


def test_each_picture_of_a_batch_has_its_own_range():
    x = torch.cat([torch.rand(1, 3, 24, 24), 0.05 * torch.rand(1, 3, 24, 24)])
    both = InOwnRange(Tinted()).propose(measurement("inpainting", x)).image
    alone = [InOwnRange(Tinted()).propose(measurement("inpainting", one)).image for one in x.split(1)]
    torch.testing.assert_close(both, torch.cat(alone))
