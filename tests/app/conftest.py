"""A desk with tiny restorers: what the page and the endpoint do with a picture, in a blink."""

import pytest
import torch

import bigprior
from bigprior.io.pictures import write_picture
from bigprior.phi import ConstantPhi
from bigprior.priors.base import Prior, Projection

pytest.importorskip("gradio", reason="no gradio here: the page is not tried (pip install 'bigprior[app]')")


class Grey(Prior):
    """Holds a grey picture behind everything; a seed gives another shade."""

    def propose(self, m, *, seed, progress):
        return Projection(torch.full((len(m), 3, *m.size), 0.4 + 0.1 * (seed % 3)))


def tiny(preset, task, *, device="cpu", samples=1, prior=None, **options):
    """In place of ``load_restorer``."""
    assert preset == "photographs" and prior in (None, *bigprior.PRIORS)
    return bigprior.Restorer(Grey(), ConstantPhi(0.25))


@pytest.fixture
def desk():
    from bigprior.app.desk import Desk
    from bigprior.app.limits import Limits

    with Desk(Limits(1.5, 6), load=tiny) as opened:
        yield opened
    assert not opened.folder.exists()


@pytest.fixture
def photo(tmp_path):
    """A photograph with colours, 40 wide and 30 high."""
    write_picture(tmp_path / "photo.png", torch.rand(1, 3, 30, 40, generator=torch.Generator().manual_seed(3)))
    return tmp_path / "photo.png"


@pytest.fixture
def mask(tmp_path):
    known = torch.ones(1, 1, 30, 40)
    known[..., 5:15, 10:20] = 0
    write_picture(tmp_path / "mask.png", known)
    return tmp_path / "mask.png"
