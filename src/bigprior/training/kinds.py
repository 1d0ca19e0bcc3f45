"""Every kind of training by name."""

from __future__ import annotations

from typing import Any

from bigprior.registry import Registry
from bigprior.training.camera_denoiser import CameraTrainer, NoiseTrainer
from bigprior.training.colorizer import ColorizerTrainer
from bigprior.training.denoiser import DenoiserTrainer
from bigprior.training.dncnn import DnCNNTrainer
from bigprior.training.encoder import EncoderTrainer
from bigprior.training.filler import FillerTrainer
from bigprior.training.gan import GANTrainer
from bigprior.training.phi import PhiTrainer
from bigprior.training.small_gans import CVAEGANTrainer, LRGANTrainer
from bigprior.training.tnrd import TNRDTrainer
from bigprior.training.trainer import Trainer

#: Every kind of training by the name that ``bigprior train`` knows it by.
TRAININGS: Registry[type[Trainer[Any]]] = Registry(
    "training",
    "bigprior.trainings",
    {
        "denoiser": DenoiserTrainer,
        "filler": FillerTrainer,
        "gan": GANTrainer,
        "lr-gan": LRGANTrainer,
        "cvae-gan": CVAEGANTrainer,
        "phi": PhiTrainer,
        "encoder": EncoderTrainer,
        "colorizer": ColorizerTrainer,
        "dncnn": DnCNNTrainer,
        "tnrd": TNRDTrainer,
        "noise": NoiseTrainer,
        "camera": CameraTrainer,
    },
)
