"""What the phi network's parts are worth: what it sees, its bound, the penalty, its kind; everything else equal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bigprior.errors import SettingsError
from bigprior.folders import load_set
from bigprior.fusion import PHI_NETWORKS, UNetPhi, fuse_in_frame
from bigprior.metrics import colour_auc, psnr
from bigprior.priors.base import Progress
from bigprior.simulation import simulate
from bigprior.training.phi import PhiSettings, Triples, train_phi
from bigprior.zoo import load_phi

#: Steps of every variant's training.
STEPS = 200
#: What costs are measured on, in pixels.
SIDE_PX = 256


class _BlindUNet(UNetPhi):
    """The U-Net that is not shown the prior, as the paper's network is not: it sees the measurement in its place."""

    kind = "unet-y"

    def forward(self, fidelity: Tensor, prior: Tensor) -> Tensor:
        return super().forward(fidelity, fidelity)


class _UnboundedUNet(UNetPhi):
    """The U-Net without its sigmoid, which the logarithm of the odds undoes."""

    kind = "unet-unbounded"

    def forward(self, fidelity: Tensor, prior: Tensor) -> Tensor:
        return torch.logit(super().forward(fidelity, prior), eps=1e-7)


_GREY: dict[str, Any] = {"channels_in": 1}
#: Every variant by the name of its row: what differs from :class:`~bigprior.training.phi.PhiSettings`.
VARIANTS: dict[str, dict[str, Any]] = {
    "U-Net, sees y and prior": {},
    "without the penalty (rho 0)": {"rho": 0.0},
    "a large penalty (rho 1e-3)": {"rho": 1e-3},
    "sees y alone": {"network": "unet-y"},
    "without the sigmoid": {"network": "unet-unbounded"},
    "DnCNN, sees y alone": {"network": "dncnn", "network_settings": _GREY},
    "DnCNN, without the sigmoid (as released)": {
        "network": "dncnn",
        "network_settings": {**_GREY, "bounded": False},
    },
}


def ablation_table(
    data: Path,
    prior_dir: Path,
    index: tuple[int, int],
    folder: Path,
    *,
    steps: int | None = None,
    progress: Progress,
) -> dict[str, Any]:
    """Train every variant of :data:`VARIANTS` for colorization, on the same crops, and score it.

    Args:
        data: folder of pictures of one size.
        prior_dir: priors computed elsewhere, one of the same name a picture.
        index: first and last picture to score on; those before are learned from.
        folder: a run a variant; an interrupted one goes on where it was.
        steps: of each training; :data:`STEPS` by default.
        progress: over variants.

    Returns:
        ``{variant: {auc, psnr, mean_phi, phi_outside, parameters, gflop, seconds}}``: the share of ``phi`` outside
        [0, 1], and cost for 256x256 pixels; and under ``training`` its ``steps``.

    Raises:
        SettingsError: the folders do not match, or ``folder`` holds runs with other settings.
    """
    train, test = (_triples(data, prior_dir, part) for part in ((0, index[0] - 1), index))
    results: dict[str, Any] = {}
    for done, (name, change) in enumerate(VARIANTS.items()):
        settings = PhiSettings(**{"steps": steps or STEPS, "batch": 8, "crop_px": 40, **change})
        with _known_kinds():
            network = load_phi(train_phi(folder / _slug(name), settings, train, quiet=True))
        results[name] = _scored(network, test) | _cost(network)
        progress(done + 1, len(VARIANTS))
    return results | {"training": {"steps": steps or STEPS}}


@contextmanager
def _known_kinds() -> Iterator[None]:
    """The two variants of the U-Net are of no use to anyone else: they have names for the time of a training."""
    kinds: tuple[type[UNetPhi], ...] = (_BlindUNet, _UnboundedUNet)
    PHI_NETWORKS.update({one.kind: one for one in kinds})
    try:
        yield
    finally:
        for one in kinds:
            del PHI_NETWORKS[one.kind]


def _triples(data: Path, prior_dir: Path, index: tuple[int, int]) -> Triples:
    truth, priors = load_set(data, index), load_set(prior_dir, index)
    if truth.names != priors.names:
        raise SettingsError(f"{prior_dir} does not hold a prior of the same name for each picture of {data}")
    y, physics = simulate("colorization", truth.images, truth.names)
    return Triples(physics.g_inv(y), priors.images, truth.images)


@torch.no_grad()
def _scored(network: nn.Module, test: Triples) -> dict[str, float]:
    totals = dict.fromkeys(("auc", "psnr", "mean_phi", "phi_outside"), 0.0)
    for fidelity, prior, truth in zip(*(part.split(1) for part in test.parts()), strict=True):
        fused = fuse_in_frame(network, fidelity, prior)
        phi, restored = fused.phi, fused.measured + fused.invented
        totals["auc"] += float(colour_auc(restored, truth))
        totals["psnr"] += float(psnr(restored, truth))
        totals["mean_phi"] += float(phi.mean())
        totals["phi_outside"] += float(((phi < 0) | (phi > 1)).double().mean())
    return {name: total / len(test) for name, total in totals.items()}


@torch.no_grad()
def _cost(network: nn.Module) -> dict[str, float]:
    picture = torch.full((1, 3, SIDE_PX, SIDE_PX), 0.5)
    with FlopCounterMode(display=False) as counter:
        network(picture, picture)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        network(picture, picture)
        seconds.append(time.perf_counter() - began)
    parameters = sum(p.numel() for p in network.parameters())
    return {"parameters": parameters, "gflop": counter.get_total_flops() / 1e9, "seconds": median(seconds)}


def _slug(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
