"""Which perceptual term inverts best: none, the Laplacian pyramid, or features of a network that we trained.

    python benchmarks/perceptual_term.py --data FOLDER --index 200-215 --json FILE

The features are those of the embedded denoiser's finest level, l1 as in the paper's VGG term. Each row is the prior
alone at the generator's own size: ``{term: {task: {psnr, lpips}}}``.
"""

from __future__ import annotations

from bigprior.threads import wait_passively

wait_passively()  # before torch is loaded

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

from bigprior.degradations.simulation import simulate
from bigprior.evaluation.metrics import lpips, psnr
from bigprior.io.folders import load_set
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.presets.loading import load_prior
from bigprior.presets.store import load_part
from bigprior.priors.gan import GANPrior

PROTOCOLS = {"denoising": "denoising-25", "inpainting": "inpainting-centre", "colorization": "colorization"}


class DenoiserTerm:
    """Mean absolute difference of what the denoiser's finest blocks see, at a little noise."""

    def __init__(self, denoiser: DenoisingUNet) -> None:
        self.denoiser = denoiser

    def target(self, y: Tensor) -> Tensor:
        x = 2 * y.expand(-1, 3, -1, -1) - 1
        blank = x.new_zeros(len(x), 5, *x.shape[2:])
        network = self.denoiser
        features = network.head(torch.nn.functional.pixel_unshuffle(torch.cat([x, blank], 1), network.shuffle))
        noise = network.noise(x.new_full((len(x), 1), -0.5))
        for block in network.down[0]:
            features = block(features, noise)
        return features

    def distance(self, image: Tensor, target: Tensor) -> Tensor:
        return (self.target(image) - target).abs().flatten(1).mean(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--index", default="200-215")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    first, last = map(int, options.index.split("-"))
    features = DenoiserTerm(load_part("photographs", "denoiser"))
    results: dict[str, dict[str, dict[str, float]]] = {}
    for name, weight, term in (("none", 0.0, None), ("pyramid", 0.1, None), ("denoiser", 0.1, features)):
        results[name] = {}
        for task, protocol in PROTOCOLS.items():
            base = load_prior("rooms", task, steps=options.steps).prior
            assert isinstance(base, GANPrior)
            prior = GANPrior(base.generator, base.settings.model_copy(update={"perceptual": weight}))
            if term is not None:
                prior.term = term
            pictures = load_set(options.data, (first, last), prior.resolution)
            y, physics = simulate(protocol, pictures.images, pictures.names)
            m = physics.measure(y)
            image = m.consistent(prior.project(m).image)
            results[name][task] = {
                "psnr": float(psnr(image, pictures.images).mean()),
                "lpips": float(lpips(image, pictures.images).mean()),
            }
    text = json.dumps(results, indent=2)
    if options.json:
        options.json.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
