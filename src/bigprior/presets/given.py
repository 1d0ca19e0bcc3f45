"""A model that a user names, in a preset's place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import deepinv as dinv
from torch import nn

from bigprior import DEFAULT_PRESET
from bigprior.degradations import WHITE_NOISE, Degradation
from bigprior.errors import SettingsError, WeightsError
from bigprior.io.decoding import SUFFIXES
from bigprior.io.pictures import read_picture
from bigprior.io.weights import digest_of, sha256
from bigprior.presets.loaded import LoadedPrior
from bigprior.priors.base import Prior
from bigprior.priors.kinds import Options
from bigprior.priors.models import as_prior, load_model
from bigprior.priors.named import PRIORS
from bigprior.priors.named.base import NamedPrior
from bigprior.priors.plugandplay import PlugAndPlaySettings
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.priors.turns import PriorDenoiser, in_turns, said_of, takes_turns


def given_prior(
    model: Path | str | nn.Module,
    physics: type[Degradation],
    options: Options,
    name: str,
    trusted: bool,
    strength: float,
) -> LoadedPrior:
    """A model as the prior of a task, in place of a preset.

    Raises:
        SettingsError: it cannot do the task; or options that say nothing to it, a preset's name among them.
    """
    called = type(model).__name__ if isinstance(model, nn.Module) else Path(model).name
    if name != DEFAULT_PRESET:
        raise SettingsError(f"{called} takes the place of the preset {name}: leave one of them out")
    if isinstance(model, nn.Module):
        turned = isinstance(model, dinv.models.Denoiser) and takes_turns(physics)
        options.refuse_but(*(("steps",) if turned else ()), preset=called)
        weights = {"prior": digest_of(*model.state_dict().values())}
        prior, settings = _turned(model, physics, options) if turned else (as_prior(model, physics), {})
        return LoadedPrior(prior, weights, settings, source={"prior": {"architecture": called}})
    if (named := PRIORS.get(str(model))) is not None:
        return _of_name(called, named, physics, options, strength)
    if Path(model).suffix.lower() in SUFFIXES and Path(model).is_file():
        options.refuse_but(preset=called)
        source = {"prior": {"file": called}}
        return LoadedPrior(PrecomputedPrior(read_picture(model).image), {"prior": sha256(model)}, {}, source=source)
    if not Path(model).exists():
        known = ", ".join(PRIORS)
        raise WeightsError(f"no model file {model}, and no prior of that name: those that have one are {known}")
    return _of_file(Path(model), physics, options, trusted, strength)


def _of_name(
    called: str, named: NamedPrior, physics: type[Degradation], options: Options, strength: float
) -> LoadedPrior:
    turned = named.turned(physics)
    options.refuse_but(*(("steps",) if turned or named.iterates else ()), preset=called)
    named.refuse(called, physics, dict(PRIORS))
    if strength != 1 and not physics.noisy:
        raise SettingsError(f"strength says nothing to {called}, which is told of no noise: leave it out")
    source = {"prior": {"name": called, "source": named.source}}
    if turned:
        prior, settings = _turned(PriorDenoiser(named.make(WHITE_NOISE, None)), physics, options)
        return LoadedPrior(prior, {}, settings, source=source)
    settings = {"steps": options.steps} if options.steps is not None else {}
    return LoadedPrior(named.make(physics, options.steps), {}, settings, source=source)


def _of_file(file: Path, physics: type[Degradation], options: Options, trusted: bool, strength: float) -> LoadedPrior:
    read = load_model(file, trusted=trusted)
    takes, weights = read.model.takes, {"prior": sha256(file)}
    turned = takes_turns(physics) and takes.told == "sigma"
    options.refuse_but(*(("steps",) if turned else ()), preset=file.name)
    takes.refuse(file.name, WHITE_NOISE if turned else physics)
    if strength != 1 and takes.told != "sigma":
        raise SettingsError(f"strength says nothing to {file.name}, which is told of no noise: leave it out")
    source = {"prior": {"file": file.name, "architecture": takes.architecture}}
    prior, settings = _turned(PriorDenoiser(read), physics, options) if turned else (read, {})
    return LoadedPrior(prior, weights, settings, source=source)


def _turned(denoiser: nn.Module, physics: type[Degradation], options: Options) -> tuple[Prior, dict[str, Any]]:
    """Another's denoiser in turns with a measurement, and how they take them."""
    asked = {} if options.steps is None else {"steps": options.steps}
    how = PlugAndPlaySettings(precision="fp32", **asked)
    return in_turns(denoiser, physics, how), said_of(physics, how)
