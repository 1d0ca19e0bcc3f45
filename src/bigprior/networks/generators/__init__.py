"""Generative networks ``G``, by name."""

from __future__ import annotations

from bigprior.networks.generators.base import Generator, State
from bigprior.networks.generators.dcgan import DCGAN
from bigprior.networks.generators.function import FunctionGenerator
from bigprior.networks.generators.pggan import PGGAN
from bigprior.networks.generators.stylegan2 import StyleGAN2
from bigprior.registry import Registry

#: Every architecture by name: a subclass of :class:`Generator`.
GENERATORS: Registry[type[Generator]] = Registry(
    "generator", "bigprior.generators", {"pggan": PGGAN, "dcgan": DCGAN, "stylegan2": StyleGAN2}
)

__all__ = ["DCGAN", "GENERATORS", "PGGAN", "FunctionGenerator", "Generator", "State", "StyleGAN2"]
