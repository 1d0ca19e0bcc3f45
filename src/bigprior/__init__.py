"""Restores pictures, and says pixel by pixel how much was measured and how much was made up.

>>> import bigprior
>>> bigprior.__version__.count(".")
2
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bigprior.budget import Budget
    from bigprior.calibration import Bound, Calibration, Parts, calibrated
    from bigprior.degradations import (
        DEGRADATIONS,
        Colorization,
        Deblurring,
        Degradation,
        Demosaicing,
        Denoising,
        Flaws,
        Inpainting,
        Jpeg,
        Linear,
        Measurement,
        Poisson,
        Protocol,
        Upscaling,
        as_degradation,
    )
    from bigprior.errors import (
        BigpriorError,
        ImageError,
        MaskError,
        OutputError,
        SettingsError,
        UnknownNameError,
        WeightsError,
    )
    from bigprior.evaluation.baselines import BASELINES, Baseline
    from bigprior.evaluation.metrics import METRICS
    from bigprior.frames import FRAMES, Band, Frame
    from bigprior.fusion import Fusion, fuse, terms
    from bigprior.io.layers import read_layers
    from bigprior.io.pictures import Picture, read_mask, read_picture, write_picture
    from bigprior.networks.generators import GENERATORS, Generator, State
    from bigprior.noise import Noise
    from bigprior.phi import PHI_NETWORKS, ConstantPhi, PhiNetwork
    from bigprior.presets.importing import import_preset
    from bigprior.presets.loading import load_phi, load_prior, load_restorer, load_weigher
    from bigprior.presets.store import preset_names
    from bigprior.priors.alternating import AlternatingPrior
    from bigprior.priors.anysize import AnySize
    from bigprior.priors.base import Prior, Projection
    from bigprior.priors.compose import Blend, ByNoise, WithWhite
    from bigprior.priors.deepimage import UntrainedPrior
    from bigprior.priors.diffusion import DiffusionPrior, DiffusionSettings
    from bigprior.priors.featuremaps import FeatureMapSettings
    from bigprior.priors.feedforward import FeedForwardPrior
    from bigprior.priors.filtered import FilledPrior, FilteredPrior
    from bigprior.priors.gan import GANPrior, InversionSettings
    from bigprior.priors.hints import Hinted
    from bigprior.priors.holes import ByHole
    from bigprior.priors.kinds import KINDS, Built, Kind, Options
    from bigprior.priors.map import DictionaryMAP, GaussianMAP, GradientMAP, SelfWeighing
    from bigprior.priors.models import Model, ModelPrior, ReconstructorPrior, Takes, as_prior, load_model
    from bigprior.priors.named import PRIORS, NamedPrior
    from bigprior.priors.ownrange import InOwnRange
    from bigprior.priors.plugandplay import PlugAndPlay, PlugAndPlaySettings
    from bigprior.priors.precomputed import PrecomputedPrior
    from bigprior.priors.stabilised import Stabilised
    from bigprior.progress import Progress
    from bigprior.provenance.audit import audit
    from bigprior.provenance.loading import load
    from bigprior.provenance.recompose import recompose
    from bigprior.provenance.verify import Verdict, verify
    from bigprior.registry import Registry
    from bigprior.report.folder import save_restoration as save
    from bigprior.restoration import Restoration
    from bigprior.restorer import Restorer

    __version__: str

#: The preset that restores when none is named.
DEFAULT_PRESET = "photographs"
#: What a restorer is made for when no task is named.
DEFAULT_TASK = "denoising"

#: The public face: every name with the module that it lives in. Names that are not here can change without notice.
_HOMES = {
    "budget": "Budget",
    "calibration": "Bound Calibration Parts calibrated",
    "degradations": "DEGRADATIONS Colorization Deblurring Degradation Demosaicing Denoising Inpainting Jpeg Linear "
    "Measurement Poisson Protocol Upscaling as_degradation",
    "degradations.flaws": "Flaws",
    "errors": "BigpriorError ImageError MaskError OutputError SettingsError UnknownNameError WeightsError",
    "evaluation.baselines": "BASELINES Baseline",
    "evaluation.metrics": "METRICS",
    "frames": "FRAMES Band Frame",
    "fusion": "Fusion fuse terms",
    "io.layers": "read_layers",
    "io.pictures": "Picture read_mask read_picture write_picture",
    "networks.generators": "GENERATORS Generator State",
    "noise": "Noise",
    "phi": "PHI_NETWORKS ConstantPhi PhiNetwork",
    "presets.importing": "import_preset",
    "presets.loading": "load_phi load_prior load_restorer load_weigher",
    "presets.store": "preset_names",
    "priors.alternating": "AlternatingPrior",
    "priors.anysize": "AnySize",
    "priors.base": "Prior Projection",
    "priors.compose": "Blend ByNoise WithWhite",
    "priors.diffusion": "DiffusionPrior DiffusionSettings",
    "priors.featuremaps": "FeatureMapSettings",
    "priors.deepimage": "UntrainedPrior",
    "priors.feedforward": "FeedForwardPrior",
    "priors.filtered": "FilledPrior FilteredPrior",
    "priors.gan": "GANPrior InversionSettings",
    "priors.hints": "Hinted",
    "priors.holes": "ByHole",
    "priors.kinds": "KINDS Built Kind Options",
    "priors.map": "DictionaryMAP GaussianMAP GradientMAP SelfWeighing",
    "priors.models": "Model ModelPrior ReconstructorPrior Takes as_prior load_model",
    "priors.named": "PRIORS NamedPrior",
    "priors.ownrange": "InOwnRange",
    "priors.plugandplay": "PlugAndPlay PlugAndPlaySettings",
    "priors.precomputed": "PrecomputedPrior",
    "priors.stabilised": "Stabilised",
    "progress": "Progress",
    "provenance.audit": "audit",
    "provenance.loading": "load",
    "provenance.recompose": "recompose",
    "provenance.verify": "Verdict verify",
    "registry": "Registry",
    "report.folder": "save",
    "restoration": "Restoration",
    "restorer": "Restorer",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}
#: Public names of things that go by a longer one at home.
_OWN_NAME = {"save": "save_restoration"}

__all__ = [
    "BASELINES",
    "DEFAULT_PRESET",
    "DEFAULT_TASK",
    "DEGRADATIONS",
    "FRAMES",
    "GENERATORS",
    "KINDS",
    "METRICS",
    "PHI_NETWORKS",
    "PRIORS",
    "AlternatingPrior",
    "AnySize",
    "Band",
    "Baseline",
    "BigpriorError",
    "Blend",
    "Bound",
    "Budget",
    "Built",
    "ByHole",
    "ByNoise",
    "Calibration",
    "Colorization",
    "ConstantPhi",
    "Deblurring",
    "Degradation",
    "Demosaicing",
    "Denoising",
    "DictionaryMAP",
    "DiffusionPrior",
    "DiffusionSettings",
    "FeatureMapSettings",
    "FeedForwardPrior",
    "FilledPrior",
    "FilteredPrior",
    "Flaws",
    "Frame",
    "Fusion",
    "GANPrior",
    "GaussianMAP",
    "Generator",
    "GradientMAP",
    "Hinted",
    "ImageError",
    "InOwnRange",
    "Inpainting",
    "InversionSettings",
    "Jpeg",
    "Kind",
    "Linear",
    "MaskError",
    "Measurement",
    "Model",
    "ModelPrior",
    "NamedPrior",
    "Noise",
    "Options",
    "OutputError",
    "Parts",
    "PhiNetwork",
    "Picture",
    "PlugAndPlay",
    "PlugAndPlaySettings",
    "Poisson",
    "PrecomputedPrior",
    "Prior",
    "Progress",
    "Projection",
    "Protocol",
    "ReconstructorPrior",
    "Registry",
    "Restoration",
    "Restorer",
    "SelfWeighing",
    "SettingsError",
    "Stabilised",
    "State",
    "Takes",
    "UnknownNameError",
    "UntrainedPrior",
    "Upscaling",
    "Verdict",
    "WeightsError",
    "WithWhite",
    "__version__",
    "as_degradation",
    "as_prior",
    "audit",
    "calibrated",
    "fuse",
    "import_preset",
    "load",
    "load_model",
    "load_phi",
    "load_prior",
    "load_restorer",
    "load_weigher",
    "preset_names",
    "read_layers",
    "read_mask",
    "read_picture",
    "recompose",
    "save",
    "terms",
    "verify",
    "write_picture",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: importing bigprior itself imports no torch."""
    if name == "__version__":
        from importlib.metadata import version  # takes longer than all else here

        return version("bigprior")
    if name not in _HOME:
        raise AttributeError(f"module 'bigprior' has no attribute {name!r}")
    return getattr(_import_module(f"bigprior.{_HOME[name]}"), _OWN_NAME.get(name, name))


def __dir__() -> list[str]:
    """The public face, and nothing else."""
    return sorted(__all__)
