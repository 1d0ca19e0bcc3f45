"""A denoiser of your own as the prior: any deepinv ``Denoiser`` takes the place of the embedded one.

    python examples/own_denoiser.py photo.png mask.png restored.png

fills the hole of ``mask.png`` (black = hole) with deepinv's DRUNet, which deepinv downloads once; ``--random-weights``
shows the wiring without a download. A diffusers model serves too, through ``dinv.models.DiffusersDenoiserWrapper``.
"""

import argparse

import deepinv as dinv

from bigprior import DiffusionPrior, DiffusionSettings, Inpainting, Restorer, read_mask, read_picture, write_picture
from bigprior.phi import ConstantPhi


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo")
    parser.add_argument("mask")
    parser.add_argument("restored")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--random-weights", action="store_true", help="no download, and no use but to see it run")
    options = parser.parse_args()

    denoiser = dinv.models.DRUNet(pretrained=None if options.random_weights else "download")
    # A denoiser that knows nothing of masks is guided by a sampler: diffpir, ddrm or dps.
    prior = DiffusionPrior(denoiser, DiffusionSettings(sampler="diffpir", steps=options.steps))
    restorer = Restorer(prior, ConstantPhi(1.0))  # with a mask, phi is known: 1 in the hole, 0 elsewhere

    physics = Inpainting(read_mask(options.mask))
    result = restorer.restore(physics.f(read_picture(options.photo).image), physics)
    write_picture(options.restored, result.restored)
    print(result)


if __name__ == "__main__":
    main()
