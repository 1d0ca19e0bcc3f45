"""Methods that users compare with, behind one small interface. Every one comes from a package; none is ours.

Three stand for what came before the paper: a network that is trained on pairs, a network that no one trained (deep
image prior), and the generator's inversion alone, with one code and with many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import median_filter
from torch import Tensor

from bigprior.degradations import Degradation, task_of
from bigprior.evaluation import deconvolution
from bigprior.filters import Denoise, Fill, packaged
from bigprior.io.arrays import as_picture, to_numpy
from bigprior.io.weights import sha256
from bigprior.presets.loading import load_prior
from bigprior.presets.store import embedded, preset
from bigprior.priors import deepimage
from bigprior.priors.anysize import for_any_size
from bigprior.priors.featuremaps import FeatureMapSettings
from bigprior.priors.gan import GANPrior, InversionSettings
from bigprior.priors.named import PRIORS
from bigprior.registry import Registry, missing
from bigprior.training.dncnn import load_dncnn, restore_with

#: Side of the squares of the median.
_MEDIAN_PX = 5
#: A measurement (1, C, H, W), its degradation and the noise level, if told, to a picture (1, 3, H, W).
_Restore = Callable[[Tensor, Degradation, float | None], Tensor]


def _every(physics: type[Degradation]) -> bool:
    return True


@dataclass(frozen=True)
class Baseline:
    """One method.

    Attributes:
        treats: whether it treats a degradation.
        package: what has to be installed, by the name that it is imported under; with a dot, a part of it.
        restore: the method.
        knows_sigma: whether it knows the noise level, which a blind method does not.
        slow: takes minutes a picture: runs only when it is named.
        depends: what else its pictures of a task depend on, such as a hash of weights.
        note: what a reader of a table has to know of it.
    """

    treats: Callable[[type[Degradation]], bool]
    package: str
    restore: _Restore
    knows_sigma: bool = False
    slow: bool = False
    depends: Callable[[str], str | None] = lambda task: None
    note: str = ""

    @property
    def missing(self) -> str | None:
        """Why it cannot run, if it cannot."""
        return missing(self.package)


def choose(
    task: str, names: tuple[str, ...] | None = None, dncnn: Path | None = None
) -> tuple[dict[str, Baseline], dict[str, str]]:
    """The baselines of a task that can run, and why others that were asked for cannot.

    Args:
        task: a degradation's name.
        names: which; None for all but the slow ones.
        dncnn: folder of the trained networks, ``dncnn-TASK.safetensors``.

    Raises:
        WeightsError: a file in ``dncnn`` that holds another network.
    """
    able, unable = dict[str, Baseline](), dict[str, str]()
    for name, one in BASELINES.items():
        if not one.treats(task_of(task)) or (one.slow if names is None else name not in names):
            continue
        if one.missing is None:
            able[name] = one
        else:
            unable[name] = one.missing
    if names is None or DNCNN in names:
        weights = dncnn / f"dncnn-{task}.safetensors" if dncnn is not None else None
        if weights is not None and weights.is_file():
            able[DNCNN] = _trained(task, weights)
        else:
            unable[DNCNN] = f"needs dncnn-{task}.safetensors, which `bigprior train dncnn` makes: pass --dncnn FOLDER"
    return able, unable


def _denoiser(one: Denoise) -> _Restore:
    def restore(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
        if type(physics).stabilised is not None:
            return _stabilised(one, y, physics)
        picture = y[0].permute(1, 2, 0).double().numpy()
        if sigma is None:
            from skimage.restoration import estimate_sigma  # needs PyWavelets, as its wavelet denoiser does

            sigma = float(np.mean(estimate_sigma(picture, channel_axis=2)))
        return as_picture(np.clip(one(picture, sigma), 0, 1))

    return restore


def _stabilised(one: Denoise, y: Tensor, physics: Degradation) -> Tensor:
    """Of noise that grows with light: between Anscombe's transform and its exact unbiased inverse."""
    noise = physics.noise_in(y)
    assert noise is not None and noise.shot is not None
    z, sigma = noise.shot.stabilised(y)
    filtered = one(z[0].permute(1, 2, 0).double().numpy(), float(sigma))
    return noise.shot.unbiased(torch.from_numpy(filtered).permute(2, 0, 1)[None].to(y)).clamp(0, 1)


def _median(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
    return torch.from_numpy(median_filter(y.numpy(), (1, 1, _MEDIAN_PX, _MEDIAN_PX))).clamp(0, 1)


def hole_of(physics: Degradation, y: Tensor) -> Tensor:
    """Where nothing was measured, (N, 1, H, W)."""
    hole = physics.measure(y).hole
    assert hole is not None
    return hole


def _filler(one: Fill) -> _Restore:
    def restore(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
        mask = 1 - hole_of(physics, y)
        filled = one(to_numpy(y, np.float64), mask[0, 0].numpy() == 0)
        return mask * y + (1 - mask) * as_picture(filled)

    return restore


def _tinted(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
    return as_picture(packaged.tinted(physics.g_inv(y)[0].permute(1, 2, 0).double().numpy()))


def _trained(task: str, weights: Path) -> Baseline:
    network, recipe = load_dncnn(weights)
    return Baseline(
        lambda physics: physics.name == task,
        "deepinv",
        lambda y, physics, sigma: restore_with(network, y, physics),
        depends=lambda task: sha256(weights),
        note=f"trained here on bedrooms alone, {recipe['steps']} steps of {recipe['batch']} crops of "
        f"{recipe['crop_px']} pixels: what the paper compares with, not the best that such a network can do",
    )


def _deep_image_prior(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
    image = deepimage.fitted(y, physics, deepimage.STEPS, deepimage.CHANNELS).clamp(0, 1)
    return image if physics.placement != "hole" else torch.lerp(y, image, hole_of(physics, y))


def _by_name(name: str) -> Baseline:
    """A prior that has a name, by itself; it is told the noise level."""

    def restore(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
        known = physics if sigma is None else physics.with_sigma(sigma)
        prior = PRIORS[name].make(type(physics), None)
        return for_any_size(prior, physics.placement).project(known.measure(y)).image

    prior = PRIORS[name]
    return Baseline(prior.serves, prior.package, restore, knows_sigma=True, slow=True, note=prior.source)


def _inversion(settings: InversionSettings | None) -> _Restore:
    def restore(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
        prior = for_any_size(_inverted(physics.name, settings), physics.placement)
        return prior.project(physics.measure(y)).image

    return restore


def _inversion_key(task: str, settings: InversionSettings | None) -> str:
    how = _inverted(task, settings).settings
    unsaid = {name for name in ("latent", "feature_maps") if getattr(how, name) is None}  # lines from before have none
    return f"{preset(embedded('gan')).sha256['generator']}/{how.model_dump_json(exclude=unsaid)}"


@cache
def _inverted(task: str, settings: InversionSettings | None) -> GANPrior:
    prior = load_prior(embedded("gan"), task).prior
    assert isinstance(prior, GANPrior)
    # The preset's settings go with its encoder; from random codes, the defaults.
    return prior if settings is None else GANPrior(prior.generator, settings)


def _inverted_baseline(settings: InversionSettings | None, more: str = "") -> Baseline:
    """The embedded generator's inversion alone, with these settings or its preset's own."""
    return Baseline(
        _every,
        "deepinv",
        _inversion(settings),
        slow=True,
        depends=lambda task: _inversion_key(task, settings),
        note=f"the generator of the preset {embedded('gan')}, which makes 64x64 pictures{more}",
    )


#: Of one code, after which the generator bends to the picture: what the paper calls feature map optimization.
_BENT = InversionSettings(codes=1, feature_maps=FeatureMapSettings())
_BENT_NOTE = (
    "; after one code, changes of its maps and weights are numbers of their own, held small by a penalty: "
    "the paper's row is of the authors' code, with a PGGAN of 256x256 pictures"
)


def _noisy(physics: type[Degradation]) -> bool:
    return physics.identity


def _shot(physics: type[Degradation]) -> bool:
    return physics.stabilised is not None


def _holes(physics: type[Degradation]) -> bool:
    return physics.placement == "hole"


def _coloured(physics: type[Degradation]) -> bool:
    return physics.colours


_ONE_COLOUR = f"one colour for all, a = {packaged.TINT[0]:g}, b = {packaged.TINT[1]:g}"
#: Rows of priors that have a name and no row of their own above.
_NAMED = ("nl-bayes", "wnnm", "dictionary", "analysis", "hyper-laplacian", "anisotropic", "tnrd", "patches")
#: The row of the trained network, which needs its weights and so is not in :data:`BASELINES`.
DNCNN = "dncnn"
#: Every other baseline by the name of its row.
BASELINES: Registry[Baseline] = Registry(
    "baseline",
    "bigprior.baselines",
    {
        "bm3d": Baseline(_noisy, "bm3d", _denoiser(packaged.bm3d), knows_sigma=True),
        "median": Baseline(_shot, "scipy", _median, note=f"of {_MEDIAN_PX}x{_MEDIAN_PX} pixels"),
        "nlm": Baseline(_noisy, "pywt", _denoiser(packaged.nlm)),
        "tv": Baseline(
            lambda physics: _noisy(physics) or deconvolution.is_smaller(physics) or deconvolution.is_blurred(physics),
            "pywt",
            lambda y, physics, sigma: (
                _denoiser(packaged.tv)(y, physics, None)
                if physics.identity
                else deconvolution.total_variation(y, physics, sigma)
            ),
            knows_sigma=True,
        ),
        "bicubic": Baseline(deconvolution.is_smaller, "torch", deconvolution.bicubic),
        "wiener": Baseline(deconvolution.is_blurred, "skimage", deconvolution.wiener),
        "richardson-lucy": Baseline(deconvolution.is_blurred, "skimage", deconvolution.richardson_lucy),
        "malvar": Baseline(deconvolution.is_mosaic, "colour_demosaicing", deconvolution.malvar),
        "menon": Baseline(deconvolution.is_mosaic, "colour_demosaicing", deconvolution.menon),
        "wavelet": Baseline(_noisy, "pywt", _denoiser(packaged.wavelet)),
        "telea": Baseline(_holes, "cv2", _filler(packaged.telea)),
        "navier-stokes": Baseline(_holes, "cv2", _filler(packaged.navier_stokes)),
        "fsr": Baseline(
            _holes, "cv2.xphoto", _filler(packaged.fsr), note="INPAINT_FSR_FAST of OpenCV's contributed modules"
        ),
        "biharmonic": Baseline(_holes, "skimage", _filler(packaged.biharmonic)),
        "tint": Baseline(_coloured, "skimage", _tinted, note=_ONE_COLOUR),
        "deep-image-prior": Baseline(
            _every,
            "deepinv",
            _deep_image_prior,
            slow=True,
            depends=lambda task: f"{deepimage.STEPS}/{deepimage.CHANNELS}/sigmoid",
            note=f"{deepimage.STEPS} steps of a decoder of {deepimage.CHANNELS} channels, ending in a sigmoid",
        ),
        "single-code": _inverted_baseline(InversionSettings(codes=1)),
        "multi-code": _inverted_baseline(None),
        "feature-map": _inverted_baseline(_BENT, _BENT_NOTE),
        **{name: _by_name(name) for name in _NAMED},
    },
)
