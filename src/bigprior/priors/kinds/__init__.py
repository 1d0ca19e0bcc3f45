"""How presets become priors, by the name that a preset gives as its kind."""

from __future__ import annotations

from bigprior.priors.kinds.base import Built, Kind, Options
from bigprior.priors.kinds.diffusion import DiffusionKind
from bigprior.priors.kinds.gan import GANKind
from bigprior.registry import Registry

#: Every kind of preset by name.
KINDS: Registry[Kind] = Registry("kind of preset", "bigprior.kinds", {"gan": GANKind(), "diffusion": DiffusionKind()})

__all__ = ["KINDS", "Built", "Kind", "Options"]
