"""Generative networks ``G``, by name."""

from __future__ import annotations

from bigprior.networks.generators.base import Generator, State
from bigprior.networks.generators.cvaegan import CVAEGAN
from bigprior.networks.generators.dcgan import DCGAN
from bigprior.networks.generators.function import FunctionGenerator
from bigprior.networks.generators.lrgan import LRGAN
from bigprior.networks.generators.pggan import PGGAN
from bigprior.networks.generators.stylegan import StyleGAN
from bigprior.networks.generators.stylegan2 import StyleGAN2
from bigprior.networks.generators.taesd import TAESD
from bigprior.registry import Registry

#: Every architecture by name: a subclass of :class:`Generator`.
GENERATORS: Registry[type[Generator]] = Registry(
    "generator",
    "bigprior.generators",
    {
        "pggan": PGGAN,
        "dcgan": DCGAN,
        "stylegan": StyleGAN,
        "stylegan2": StyleGAN2,
        "lr-gan": LRGAN,
        "cvae-gan": CVAEGAN,
        "taesd": TAESD,
    },
)

__all__ = [
    "CVAEGAN",
    "DCGAN",
    "GENERATORS",
    "LRGAN",
    "PGGAN",
    "TAESD",
    "FunctionGenerator",
    "Generator",
    "State",
    "StyleGAN",
    "StyleGAN2",
]
