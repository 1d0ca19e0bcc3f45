"""The same things as in ``pyproject.toml``, added by registration: for what is not installed, as in a notebook."""

from bigprior_outside.cosine import CosineFrame, SmallCosineFrame
from bigprior_outside.doubling import Doubling
from bigprior_outside.enlarged import enlarged
from bigprior_outside.mae import mae
from bigprior_outside.modulated import Modulated
from bigprior_outside.shares import SharesPhi
from bigprior_outside.smooth import smooth

from bigprior import BASELINES, DEGRADATIONS, FRAMES, GENERATORS, KINDS, METRICS, PHI_NETWORKS


def register() -> None:
    """Add each to the registry of its kind."""
    DEGRADATIONS.register("doubling")(Doubling)
    KINDS.register("smooth")(smooth)
    GENERATORS.register("modulated")(Modulated)
    PHI_NETWORKS.register("shares")(SharesPhi)
    FRAMES.register("cosine")(CosineFrame)
    FRAMES.register("cosine-2")(SmallCosineFrame)
    METRICS.register("mae")(mae)
    BASELINES.register("enlarged")(enlarged)


def pytest_configure() -> None:
    """Of pytest, which is started with ``-p registered``."""
    register()
