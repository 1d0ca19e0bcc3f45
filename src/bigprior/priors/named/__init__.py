"""Priors by name, which need no file: classical filters, estimates that say phi themselves, the deep image prior."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bigprior.degradations import Degradation
from bigprior.filters import Denoise, Fill, packaged
from bigprior.filters.anisotropic import diffused
from bigprior.filters.cosparse import analysis_operator
from bigprior.filters.dictionary import learned_dictionary
from bigprior.filters.nlbayes import non_local_bayes
from bigprior.filters.reaction import trained_diffusion
from bigprior.filters.wnnm import weighted_nuclear_norm
from bigprior.priors.base import Prior
from bigprior.priors.deepimage import UntrainedPrior
from bigprior.priors.filtered import ColouredPrior, FilledPrior, FilteredPrior
from bigprior.priors.map import DictionaryMAP, GaussianMAP, GradientMAP
from bigprior.priors.named.base import NamedPrior, anything, fills_holes, gives_colours, removes_noise
from bigprior.registry import Registry

#: Of the hyper-Laplacian: between 0.5 and 0.8, as Krishnan and Fergus found it in photographs.
GAMMA = 0.8


def _denoiser(denoise: Denoise, source: str, equation: str, **more: Any) -> NamedPrior:
    return NamedPrior(_always(FilteredPrior(denoise)), removes_noise, source, equation, "removes noise", **more)


def _filler(fill: Fill, source: str, equation: str, **more: Any) -> NamedPrior:
    return NamedPrior(_always(FilledPrior(fill)), fills_holes, source, equation, "fills holes", **more)


def _always(prior: Prior) -> Callable[[type[Degradation], int | None], Prior]:
    """The same prior, which holds nothing, for every task."""
    return lambda physics, steps: prior


def _gradients(gamma: float, source: str, *, whole: bool) -> NamedPrior:
    def serves(physics: type[Degradation]) -> bool:
        return removes_noise(physics) or fills_holes(physics)

    equation = f"Eq. 3 with gamma = {gamma:g}"
    equation += "" if whole else "; phi = 1 / (1 + S), S = 2 / (beta gamma sum w), of Eq. 8"
    prior = GradientMAP(gamma, whole=whole)
    return NamedPrior(_always(prior), serves, source, equation, "removes noise and fills holes")


_TV, _KRISHNAN, _ELAD = "Rudin, Osher and Fatemi, 1992", "Krishnan and Fergus, 2009", "Elad and Aharon, 2006"

#: Every prior that has a name of its own.
PRIORS: Registry[NamedPrior] = Registry(
    "prior",
    "bigprior.priors",
    {
        "bm3d": _denoiser(
            packaged.bm3d,
            "Dabov, Foi, Katkovnik and Egiazarian, 2007",
            "Eq. 4, T = waves of groups of similar patches; Wiener: phi = 1 / (1 + S) of each wave",
            package="bm3d",
            slow=True,
        ),
        "nlm": _denoiser(
            packaged.nlm, "Buades, Coll and Morel, 2005", "Eq. 5, prior = mean of pixels with similar surroundings"
        ),
        "nl-bayes": _denoiser(
            non_local_bayes,
            "Lebrun, Buades and Morel, 2013",
            "Eq. 6 of similar patches, phi = (I + S)^-1, S = C / sigma^2",
            slow=True,
        ),
        "wnnm": _denoiser(
            weighted_nuclear_norm,
            "Gu, Zhang, Zuo and Feng, 2014",
            "Eq. 4, psi_p = weighted nuclear norm of groups of similar patches",
            slow=True,
        ),
        "wavelet": _denoiser(
            packaged.wavelet,
            "Donoho, 1995; Chang, Yu and Vetterli, 2000",
            "Eq. 4, T = wavelets, psi_p = l1: each coefficient is shrunk towards a prior of 0",
            package="pywt",
        ),
        "anisotropic": _denoiser(
            diffused, "Perona and Malik, 1990", "steps down the gradient of Eq. 3 with log(1 + |x_e|^2) for |x_e|^gamma"
        ),
        "tnrd": _denoiser(
            trained_diffusion,
            "Chen and Pock, 2017",
            "steps down the gradient of Eq. 4, T and psi_p learned for each step from photographs",
        ),
        "dictionary": _denoiser(learned_dictionary, _ELAD, "Eq. 9-10, psi_p = number of atoms, epsilon = 0", slow=True),
        "analysis": _denoiser(
            analysis_operator,
            "Rubinstein, Peleg and Elad, 2012",
            "Eq. 4, T = a learned analysis operator, psi_p = number of its responses that are not 0",
            slow=True,
        ),
        "tv": _gradients(1.0, _TV, whole=True),
        "hyper-laplacian": _gradients(GAMMA, _KRISHNAN, whole=True),
        "gaussian-map": NamedPrior(
            _always(GaussianMAP()),
            removes_noise,
            "El Helou and Suesstrunk, 2020; Lee, 1980",
            "Eq. 6-8, phi = 1 / (1 + S), S = deviation^2 / sigma^2",
            "removes noise",
        ),
        "tv-map": _gradients(1.0, _TV, whole=False),
        "hyper-laplacian-map": _gradients(GAMMA, _KRISHNAN, whole=False),
        "dictionary-map": NamedPrior(
            _always(DictionaryMAP()),
            removes_noise,
            _ELAD,
            "Eq. 9-10, phi = 1 - epsilon / |y - M omega| of each patch",
            "removes noise",
            slow=True,
        ),
        "telea": _filler(packaged.telea, "Telea, 2004", "Eq. 5, phi = mask; prior = what is nearest", package="cv2"),
        "navier-stokes": _filler(
            packaged.navier_stokes,
            "Bertalmio, Bertozzi and Sapiro, 2001",
            "Eq. 5, phi = mask; prior = isophotes that go on",
            package="cv2",
        ),
        "biharmonic": _filler(
            packaged.biharmonic, "Damelin and Hoang, 2018", "Eq. 5, phi = mask; prior = a biharmonic surface"
        ),
        "fsr": _filler(
            packaged.fsr,
            "Seiler and Kaup, 2010; Genser et al., 2018",
            "Eq. 5, phi = mask; prior = few frequencies of what is around",
            package="cv2.xphoto",
        ),
        "patches": _filler(
            packaged.shift_map,
            "He and Sun, 2012",
            "Eq. 5, phi = mask; prior = patches from elsewhere in the picture",
            package="cv2.xphoto",
        ),
        "tint": NamedPrior(
            _always(ColouredPrior(packaged.tinted)),
            gives_colours,
            "one colour for all",
            "Eq. 5 of chrominance, prior = the mean colour of photographs",
            "gives colours",
        ),
        "deep-image-prior": NamedPrior(
            lambda physics, steps: UntrainedPrior() if steps is None else UntrainedPrior(steps),
            anything,
            "Ulyanov, Vedaldi and Lempitsky, 2018",
            "Eq. 11 over the weights of the generator, its code fixed",
            "restores anything",
            iterates=True,
            slow=True,
        ),
    },
)

__all__ = ["PRIORS", "NamedPrior"]
