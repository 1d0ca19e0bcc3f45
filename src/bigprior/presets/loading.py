"""From a preset's name to a prior, a phi network, and a restorer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bigprior import DEFAULT_PRESET, DEFAULT_TASK
from bigprior.degradations import Degradation, task_of
from bigprior.errors import SettingsError, WeightsError
from bigprior.io.weights import fitting, read_tensors, read_weights, refuse_what_does_not_fit, sha256
from bigprior.noise import Grain
from bigprior.phi import PhiNetwork, phi_network
from bigprior.phi.shot import ShotPhi
from bigprior.presets.calibrations import calibration_for
from bigprior.presets.given import given_prior
from bigprior.presets.loaded import LoadedPrior
from bigprior.presets.store import Parts, part_path, preset, preset_names
from bigprior.priors.anysize import for_any_size
from bigprior.priors.hints import Hinted
from bigprior.priors.kinds import KINDS, Options
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.priors.stabilised import Stabilised
from bigprior.restorer import Restorer


def load_prior(
    name: str,
    task: str,
    *,
    steps: int | None = None,
    budget_s: float | None = None,
    paper: bool = False,
    vgg: Path | str | None = None,
    samples: int = 1,
) -> LoadedPrior:
    """A preset's prior with its settings for a task, at its own size.

    Args:
        name: of the preset.
        task: a degradation's name, or its verb.
        steps, budget_s, paper, vgg, samples: see :class:`bigprior.priors.kinds.Options`.

    Raises:
        SettingsError: options that say nothing to such a preset, or are out of range.
        UnknownNameError: no such preset or task.
        WeightsError: weights are missing or foreign.
    """
    physics, options = task_of(task), Options(steps, budget_s, paper, vgg, samples)
    if physics.stabilised is not None:
        loaded = load_prior(name, physics.stabilised.name, **vars(options))
        return replace(loaded, prior=Stabilised(loaded.prior), noise=None)
    described = preset(name)
    built = KINDS[described.kind].build(name, Parts(name), described.settings.get(physics.name, {}), physics, options)
    own = {part: described.sha256[part] for part in built.parts}
    return LoadedPrior(built.prior, own, built.settings, built.noise, {"preset": name})


def load_restorer(
    name: str = DEFAULT_PRESET,
    task: str = DEFAULT_TASK,
    *,
    steps: int | None = None,
    budget_s: float | None = None,
    paper: bool = False,
    vgg: Path | str | None = None,
    samples: int = 1,
    phi: Path | str | None = None,
    frame: str | None = None,
    rho: float | None = None,
    strength: float = 1.0,
    grain: Grain | None = None,
    prior: Path | str | nn.Module | None = None,
    trusted: bool = False,
    calibration: Path | str | None = None,
    device: torch.device | str = "cpu",
) -> Restorer:
    """A restorer for pictures of any size.

    A preset without a phi network for ``task`` borrows that of an embedded one of its kind. A model in its place is
    weighed by Eq. 8's closed form; a hole that has to be found, by the default preset's network.

    Args:
        name, task, steps, budget_s, paper, vgg, samples: as for :func:`load_prior`.
        phi: file of a phi network that weighs the prior in place of the preset's; it brings its own frame.
        frame: what to fuse in, a name in :data:`bigprior.frames.FRAMES`; by default what the preset was made for.
        rho, strength, grain: as for :class:`bigprior.Restorer`.
        prior: in place of the preset: a name in :data:`bigprior.PRIORS`; a model's file, see
            :func:`bigprior.load_model`; a picture's, which is the prior; or a network, see :func:`bigprior.as_prior`.
        trusted: the model's file may run code.
        calibration: file of a calibration, in place of the preset's own; :attr:`bigprior.Restoration.bound` is by it.
        device: where to compute.

    Raises:
        SettingsError: there is no phi network for the task or ``frame``, or ``rho`` is out of range, or says nothing to
            it; a strength of noise where there is none; or a model that cannot do the task, or to which an option says
            nothing.
        UnknownNameError: no such preset or task.
        WeightsError: weights are missing or foreign, or a calibration is of others.
    """
    # Long for all that can be asked for, each with a line of its own.
    physics, options = task_of(task), Options(steps, budget_s, paper, vgg, samples)
    if prior is None:
        loaded = load_prior(name, task, **vars(options))
    else:
        loaded = given_prior(prior, physics.stabilised or physics, options, name, trusted, strength)
        if physics.stabilised is not None and not isinstance(loaded.prior, PrecomputedPrior):
            loaded = replace(loaded, prior=Stabilised(loaded.prior))
    if loaded.prior.knows_phi or physics.weighs:
        network, weighed_by = _none_asked("this prior" if loaded.prior.knows_phi else physics.name, phi, frame)
    elif phi is not None:
        network, weighed_by = _given(phi, frame)
    elif prior is None and physics.stabilised is None:
        network, weighed_by = _lent(name, physics.name, frame)
    else:
        network, weighed_by = _closed_form(physics, frame)
    _refuse_idle(physics, network, rho, strength)
    provenance = loaded.source | {"weights": loaded.weights | {"phi": weighed_by}, "settings": loaded.settings}
    if network.has_knob or rho is not None:
        provenance["rho"] = network.rho if rho is None else rho
    # Where colours are made up, a person may know some of them, whatever the prior is.
    sized = Hinted(loaded.prior) if physics.colours else for_any_size(loaded.prior, physics.placement)
    how: dict[str, Any] = {"strength": strength, "grain": grain}
    restorer = Restorer(sized, network, rho=rho, provenance=provenance, noise=loaded.noise, **how)
    restorer.calibration, restorer.unbounded = calibration_for(provenance | how | {"task": physics.name}, calibration)
    if not physics.protocols and restorer.calibration is None:
        restorer.unbounded = f"no bound: nothing calibrates {physics.name}"
    restorer.to(device)
    return restorer


def _refuse_idle(physics: type[Degradation], network: PhiNetwork, rho: float | None, strength: float) -> None:
    """That options say something to the task and to the network that weighs it."""
    if strength != 1 and not physics.noisy:
        raise SettingsError(f"strength says nothing to {physics.name}, which has no noise: leave it out")
    if rho is not None and not network.has_knob and not physics.weighs:
        what = f"the {network.kind} network that weighs {physics.name} in the frame {network.frame}"
        raise SettingsError(f"rho says nothing to {what}: leave --rho out")


def load_weigher(name: str, task: str) -> tuple[PhiNetwork, str]:
    """What weighs a preset's prior in a task, or Eq. 8's closed form where no network has learned to; and its hash.

    Raises:
        UnknownNameError: no such preset or task.
    """
    physics = task_of(task)
    try:
        return _none_asked(physics.name, None, None) if physics.weighs else _lent(name, physics.name, None)
    except SettingsError:
        return _closed_form(physics, None)


def load_phi(path: Path | str) -> PhiNetwork:
    """A phi network from a file that training wrote, or from one of the paper's released ``.pth`` files.

    Raises:
        WeightsError: neither.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        tensors, header = read_weights(path)
        if "kind" not in header:
            raise WeightsError(f"{path} is not a phi network: its header names no kind")
        with fitting(f"{path} does not say how its phi network is built"):
            refuse_what_does_not_fit(header["network"], tensors)
            network = phi_network(header["kind"], **header["network"])
    else:
        tensors = {k.removeprefix("module.backbone."): v for k, v in read_tensors(path).items()}
        if "dncnn.0.weight" not in tensors:
            raise WeightsError(f"{path} is not one of the released phi networks: it has no tensor 'dncnn.0.weight'")
        network = phi_network("dncnn", channels_in=tensors["dncnn.0.weight"].shape[1], bounded=False)
    with fitting(f"{path} does not fit a {type(network).__name__}"):
        network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


def _closed_form(physics: type[Degradation], frame: str | None) -> tuple[PhiNetwork, str]:
    """What weighs a prior that no network was trained for, and what the record says of it.

    The embedded networks start from Eq. 8's form, ``phi = 1 / (1 + S)``, which they are before they have learned. Where
    a mask is known, so is ``phi``; where a hole has to be found, that is for a network that has learned to.
    """
    if physics.placement == "hole":
        return _lent(DEFAULT_PRESET, physics.name, frame)
    kind, where = physics.phi if frame in (None, physics.frame) else Degradation.phi, frame or physics.frame
    return ShotPhi(where) if physics.stabilised is not None else phi_network(kind, frame=where), "closed form"


def _none_asked(who: str, phi: Path | str | None, frame: str | None) -> tuple[PhiNetwork, str]:
    """What stands in the place of a phi network where the prior, or the degradation, says phi itself."""
    if phi is not None or frame is not None:
        raise SettingsError(f"{who} says itself how sure it is, pixel by pixel (Eq. 8): leave phi and frame out")
    return phi_network("constant"), "the prior's own" if who == "this prior" else "the degradation's own"


def _given(path: Path | str, frame: str | None) -> tuple[PhiNetwork, str]:
    """The phi network of a file, and its hash."""
    network = load_phi(path)
    if frame not in (None, network.frame):
        raise SettingsError(f"{path} weighs in the frame {network.frame!r}, not {frame!r}: leave the frame out")
    return network, sha256(path)


def _lent(name: str, task: str, frame: str | None) -> tuple[PhiNetwork, str]:
    """The phi network that weighs a preset's prior in a task, and its hash."""
    lender, own = _lender(name, task)
    part, network = _phi_for(lender, task, frame, own)
    return network, preset(lender, own=own).sha256[part]


def _lender(name: str, task: str) -> tuple[str, bool]:
    """The preset whose phi networks weigh a preset's prior, and whether it may be the user's own.

    Raises:
        SettingsError: it has none for the task, and no embedded preset of its kind has.
    """
    described = preset(name)
    if f"phi-{task}" in described.sha256:
        return name, True
    # The lender is the package's, even where a preset of the user's has its name.
    for other in preset_names(own=False):
        lender = preset(other, own=False)
        if lender.kind == described.kind and f"phi-{task}" in lender.sha256:
            return other, False
    raise SettingsError(
        f"no phi network weighs {task} of {name}, a preset of kind {described.kind}: train one, "
        "`bigprior train phi`, and pass its file as phi"
    )


def _phi_for(name: str, task: str, frame: str | None, own: bool) -> tuple[str, PhiNetwork]:
    """The part of a preset that weighs a task's prior in a frame, and its network."""
    frames = dict[str, tuple[str, PhiNetwork]]()
    for part in preset(name, own=own).sha256:
        if not part.startswith(f"phi-{task}"):
            continue
        network = load_phi(part_path(name, part, own=own))
        if part not in (f"phi-{task}", f"phi-{task}-{network.frame}"):  # of another task whose name begins alike
            continue
        if frame in (None, network.frame):
            return part, network
        frames[network.frame] = (part, network)
    raise SettingsError(f"preset {name} has no {task} network for frame {frame!r}: it has {', '.join(sorted(frames))}")
