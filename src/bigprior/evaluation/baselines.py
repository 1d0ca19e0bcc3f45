"""Methods that users compare with, behind one small interface. Every one comes from a package; none is ours.

Three stand for what came before the paper: a network that is trained on pairs, a network that no one trained (deep
image prior), and the generator's inversion alone, with one code and with many.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bigprior.degradations import DEGRADATIONS, Degradation
from bigprior.io.arrays import as_picture, to_numpy
from bigprior.io.weights import sha256
from bigprior.presets.loading import load_prior
from bigprior.presets.store import embedded, preset
from bigprior.priors.anysize import for_any_size
from bigprior.priors.featuremaps import FeatureMapSettings
from bigprior.priors.gan import GANPrior, InversionSettings
from bigprior.registry import Registry
from bigprior.training.dncnn import load_dncnn, restore_with

#: A measurement (1, C, H, W), its degradation and the noise level, if told, to a picture (1, 3, H, W).
_Restore = Callable[[Tensor, Degradation, float | None], Tensor]
#: A picture (H, W, 3) with noise, RGB in [0, 1], float64, and the noise level, to a picture.
_Denoise = Callable[[np.ndarray, float], np.ndarray]
#: A picture (H, W, 3), 8-bit, and a mask (H, W), 8-bit, 0 = known, to a picture, 8-bit.
_Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


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
        package, _, part = self.package.partition(".")
        # A part of a compiled package is no module that could be found.
        there = find_spec(package) is not None and (not part or hasattr(import_module(package), part))
        return None if there else f"needs the package {self.package}"


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
        if not one.treats(DEGRADATIONS[task]) or (one.slow if names is None else name not in names):
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


def _denoiser(one: _Denoise) -> _Restore:
    def restore(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
        picture = y[0].permute(1, 2, 0).double().numpy()
        if sigma is None:
            from skimage.restoration import estimate_sigma  # needs PyWavelets, as its wavelet denoiser does

            sigma = float(np.mean(estimate_sigma(picture, channel_axis=2)))
        return as_picture(np.clip(one(picture, sigma), 0, 1))

    return restore


def hole_of(physics: Degradation, y: Tensor) -> Tensor:
    """Where nothing was measured, (N, 1, H, W)."""
    hole = physics.measure(y).hole
    assert hole is not None
    return hole


def _filler(one: _Fill) -> _Restore:
    def restore(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
        mask = 1 - hole_of(physics, y)
        filled = one(to_numpy(y), ((1 - mask[0, 0]) * 255).byte().numpy())
        return mask * y + (1 - mask) * as_picture(filled / 255)

    return restore


def _bm3d(picture: np.ndarray, sigma: float) -> np.ndarray:
    from bm3d import bm3d_rgb

    return np.asarray(bm3d_rgb(picture, sigma))


def _nlm(picture: np.ndarray, sigma: float) -> np.ndarray:
    from skimage.restoration import denoise_nl_means

    # The settings of scikit-image's own example for known noise.
    return np.asarray(
        denoise_nl_means(picture, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, channel_axis=2)
    )


def _tv(picture: np.ndarray, sigma: float) -> np.ndarray:
    from skimage.restoration import denoise_tv_chambolle

    return np.asarray(denoise_tv_chambolle(picture, weight=1.2 * sigma, channel_axis=2))


def _wavelet(picture: np.ndarray, sigma: float) -> np.ndarray:
    from skimage.restoration import denoise_wavelet

    return np.asarray(denoise_wavelet(picture, sigma=sigma, convert2ycbcr=True, channel_axis=2, rescale_sigma=True))


def _telea(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    import cv2

    return np.asarray(cv2.inpaint(picture, hole, 3, cv2.INPAINT_TELEA))


def _navier_stokes(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    import cv2

    return np.asarray(cv2.inpaint(picture, hole, 3, cv2.INPAINT_NS))


def _fsr(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    import cv2

    filled = np.zeros_like(picture)
    cv2.xphoto.inpaint(picture, 255 - hole, filled, cv2.xphoto.INPAINT_FSR_FAST)
    return filled


def _biharmonic(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    from skimage.restoration import inpaint_biharmonic

    return np.asarray(255 * inpaint_biharmonic(picture / 255, hole > 0, channel_axis=2))


#: The warm grey that a picture of no known colours is most often near: a and b of CIELAB.
_TINT = (3.0, 8.0)


def _tinted(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
    from skimage.color import lab2rgb, rgb2lab

    lab = rgb2lab(physics.g_inv(y)[0].permute(1, 2, 0).double().numpy())
    lab[..., 1:] = _TINT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # near black and white no such colour is in sRGB: it is clipped
        return as_picture(np.clip(lab2rgb(lab), 0, 1))


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


#: Steps of the deep image prior, which has to stop before it fits the noise, and channels of its decoder.
DIP_STEPS, DIP_CHANNELS = 300, 32


def _deep_image_prior(y: Tensor, physics: Degradation, sigma: float | None) -> Tensor:
    from deepinv.models import ConvDecoder, DeepImagePrior

    with torch.random.fork_rng(devices=[]):  # deepinv draws its start from the global random numbers
        torch.manual_seed(0)
        decoder = ConvDecoder((3, *physics.picture_size(y)), channels=DIP_CHANNELS)
        method = DeepImagePrior(decoder, (DIP_CHANNELS, 4, 4), iterations=DIP_STEPS)
        image: Tensor = method(y, physics).detach().clamp(0, 1)
    return image if physics.placement != "hole" else torch.lerp(y, image, hole_of(physics, y))


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


def _holes(physics: type[Degradation]) -> bool:
    return physics.placement == "hole"


def _coloured(physics: type[Degradation]) -> bool:
    return physics.colours


#: The row of the trained network, which needs its weights and so is not in :data:`BASELINES`.
DNCNN = "dncnn"
#: Every other baseline by the name of its row.
BASELINES: Registry[Baseline] = Registry(
    "baseline",
    "bigprior.baselines",
    {
        "bm3d": Baseline(_noisy, "bm3d", _denoiser(_bm3d), knows_sigma=True),
        "nlm": Baseline(_noisy, "pywt", _denoiser(_nlm)),
        "tv": Baseline(_noisy, "pywt", _denoiser(_tv)),
        "wavelet": Baseline(_noisy, "pywt", _denoiser(_wavelet)),
        "telea": Baseline(_holes, "cv2", _filler(_telea)),
        "navier-stokes": Baseline(_holes, "cv2", _filler(_navier_stokes)),
        "fsr": Baseline(_holes, "cv2.xphoto", _filler(_fsr), note="INPAINT_FSR_FAST of OpenCV's contributed modules"),
        "biharmonic": Baseline(_holes, "skimage", _filler(_biharmonic)),
        "tint": Baseline(_coloured, "skimage", _tinted, note=f"one colour for all, a = {_TINT[0]:g}, b = {_TINT[1]:g}"),
        "deep-image-prior": Baseline(
            _every,
            "deepinv",
            _deep_image_prior,
            slow=True,
            depends=lambda task: f"{DIP_STEPS}/{DIP_CHANNELS}",
            note=f"{DIP_STEPS} steps of a decoder of {DIP_CHANNELS} channels",
        ),
        "single-code": _inverted_baseline(InversionSettings(codes=1)),
        "multi-code": _inverted_baseline(None),
        "feature-map": _inverted_baseline(_BENT, _BENT_NOTE),
    },
)
