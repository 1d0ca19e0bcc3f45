"""A prior that was loaded, with what the record of a restoration says of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from bigprior.networks.noise_estimator import NoiseEstimator
from bigprior.priors.base import Prior


@dataclass(frozen=True)
class LoadedPrior:
    """A preset's prior for one task, at its own size.

    Attributes:
        prior: asks the preset's networks.
        weights: SHA-256 of those that it is made of, by part.
        settings: how they are asked.
        noise: finds noise that nobody told.
        source: the preset's name, or what there is to say of a model, as the record of a restoration has it.
    """

    prior: Prior
    weights: dict[str, str]
    settings: dict[str, Any]
    noise: NoiseEstimator | None = None
    source: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """All that its answers depend on, beside the measurement."""
        return json.dumps([self.weights, self.settings], sort_keys=True)
