"""Restores pictures, and says pixel by pixel how much was measured and how much was made up.

>>> import bigprior
>>> bigprior.__version__.count(".")
2
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bigprior.degradations import Colorization, Denoising, Inpainting
    from bigprior.fusion import fuse
    from bigprior.io.pictures import read_mask, read_picture, write_picture
    from bigprior.presets.loading import load_restorer
    from bigprior.priors.anysize import AnySize
    from bigprior.priors.diffusion import DiffusionPrior, DiffusionSettings
    from bigprior.priors.gan import GANPrior, InversionSettings
    from bigprior.restoration import Restoration, Restorer

__version__ = version("bigprior")

#: The preset that restores when none is named.
DEFAULT_PRESET = "rooms-diffusion"

_HOME = {
    "AnySize": "priors.anysize",
    "Colorization": "degradations",
    "Denoising": "degradations",
    "DiffusionPrior": "priors.diffusion",
    "DiffusionSettings": "priors.diffusion",
    "GANPrior": "priors.gan",
    "Inpainting": "degradations",
    "InversionSettings": "priors.gan",
    "Restoration": "restoration",
    "Restorer": "restoration",
    "fuse": "fusion",
    "load_restorer": "presets.loading",
    "read_mask": "io.pictures",
    "read_picture": "io.pictures",
    "write_picture": "io.pictures",
}

__all__ = [
    "DEFAULT_PRESET",
    "AnySize",
    "Colorization",
    "Denoising",
    "DiffusionPrior",
    "DiffusionSettings",
    "GANPrior",
    "Inpainting",
    "InversionSettings",
    "Restoration",
    "Restorer",
    "fuse",
    "load_restorer",
    "read_mask",
    "read_picture",
    "write_picture",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: importing bigprior itself imports no torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'bigprior' has no attribute {name!r}")
    return getattr(import_module(f"bigprior.{_HOME[name]}"), name)
