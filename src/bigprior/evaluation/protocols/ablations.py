"""What the phi network's parts are worth: what it sees, its bound, the penalty, its kind; everything else equal."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from bigprior.errors import SettingsError
from bigprior.evaluation.metrics import colour_auc, psnr
from bigprior.evaluation.protocols.request import Request, Results, folder_of
from bigprior.frames import frame as make_frame
from bigprior.fusion import centre, fuse_in_frame, variance
from bigprior.phi import PhiNetwork
from bigprior.presets.loading import load_phi
from bigprior.progress import Progress
from bigprior.training.loop import fit
from bigprior.training.phi import PhiSettings, PhiTrainer
from bigprior.training.triples import Triples, given_triples

#: Steps of every variant's training.
STEPS = 200
#: What costs are measured on, in pixels.
SIDE_PX = 256


_GREY: dict[str, Any] = {"channels_in": 1}
#: Every variant by the name of its row: what differs from :class:`~bigprior.training.phi.PhiSettings`.
VARIANTS: dict[str, dict[str, Any]] = {
    "U-Net, sees y and prior": {},
    "without the penalty (rho 0)": {"rho": 0.0},
    "a large penalty (rho 1e-3)": {"rho": 1e-3},
    "sees y alone": {"network_settings": {"sees_prior": False}},
    "without the sigmoid": {"network_settings": {"bounded": False}},
    "DnCNN, sees y alone": {"network": "dncnn", "network_settings": _GREY},
    "DnCNN, without the sigmoid (as released)": {
        "network": "dncnn",
        "network_settings": {**_GREY, "bounded": False},
    },
}


def ablations(request: Request, progress: Progress) -> Results:
    """What the phi network's parts are worth: every variant of :data:`VARIANTS` trained for colorization.

    All on the same crops of the pictures before the request's index, on priors computed elsewhere, and scored on those
    of the index. In the request's folder, each variant has a run, which goes on where it was interrupted.

    Returns:
        ``{variant: {auc, psnr, mean_phi, phi_outside, parameters, gflop, seconds}}``: the share of ``phi`` outside
        [0, 1], and cost for 256x256 pixels; and under ``training`` its ``steps``.

    Raises:
        SettingsError: no such priors, index or folder, or the folders do not match, or hold runs with other settings.
    """
    if request.prior_dir is None or request.index is None or request.index[0] == 0:
        raise SettingsError("ablations need --prior-dir FOLDER, and --index A-B with A > 0: pictures before A train")
    data, prior_dir, index, steps = request.data, request.prior_dir, request.index, request.steps
    folder = folder_of(request, "ablations")
    train, test = (given_triples("colorization", data, prior_dir, part) for part in ((0, index[0] - 1), index))
    results: Results = {}
    for done, (name, change) in enumerate(VARIANTS.items()):
        settings = PhiSettings(**{"steps": steps or STEPS, "batch": 8, "crop_px": 40, **change})
        network = load_phi(fit(PhiTrainer(settings, train), folder / _slug(name), quiet=True))
        results[name] = _scored(network, test) | _cost(network)
        progress(done + 1, len(VARIANTS))
    return results | {"training": {"steps": steps or STEPS}}


@torch.no_grad()
def _scored(network: PhiNetwork, test: Triples) -> dict[str, float]:
    totals = dict.fromkeys(("auc", "psnr", "mean_phi", "phi_outside"), 0.0)
    for fidelity, prior, truth in zip(*(part.split(1) for part in test.parts()), strict=True):
        fused = fuse_in_frame(network, fidelity, prior)
        phi, restored = fused.phi, fused.measured + fused.hallucinated
        totals["auc"] += float(colour_auc(restored, truth))
        totals["psnr"] += float(psnr(restored, truth))
        totals["mean_phi"] += float(phi.mean())
        totals["phi_outside"] += float(((phi < 0) | (phi > 1)).double().mean())
    return {name: total / len(test) for name, total in totals.items()}


@torch.no_grad()
def _cost(network: PhiNetwork) -> dict[str, float]:
    picture, frame = torch.full((1, 3, SIDE_PX, SIDE_PX), 0.5), make_frame(network.frame)
    whole = {"mean": centre(picture), "weight": network.rho / variance(picture)}
    with FlopCounterMode(display=False) as counter:
        network(picture, picture, frame, **whole)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        network(picture, picture, frame, **whole)
        seconds.append(time.perf_counter() - began)
    parameters = sum(p.numel() for p in network.parameters())
    return {"parameters": parameters, "gflop": counter.get_total_flops() / 1e9, "seconds": median(seconds)}


def _slug(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
