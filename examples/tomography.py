"""What was measured and what is made up of a slice that X-rays saw from a few sides.

    python examples/tomography.py

Shepp and Logan's phantom is projected along a few directions, with noise, by deepinv's own operator, and
reconstructed from the same data by deepinv's pseudo-inverse and by bigprior, whose phi is known in closed form. Prints
the PSNR of each, how much of ours is made up, that both parts sum to it, and how much of what is made up the scanner
would have seen: next to nothing, where phi is right.
"""

import argparse

import deepinv as dinv
import skimage.data
import torch
from torch import Tensor

from bigprior import Linear, load_restorer
from bigprior.ops.resampling import resized


def psnr(x: Tensor, truth: Tensor) -> float:
    """In dB, of pictures in [0, 1]."""
    return float(-10 * (x.clamp(0, 1) - truth).square().mean().log10())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--angles", type=int, default=24)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--sigma", type=float, default=0.005)
    options = parser.parse_args()
    torch.manual_seed(0)
    phantom = torch.from_numpy(skimage.data.shepp_logan_phantom()).float()[None, None]
    truth = resized(phantom, options.side, options.side)
    scanner = dinv.physics.Tomography(
        angles=options.angles,
        img_width=options.side,
        circle=False,
        normalize=True,
        noise_model=dinv.physics.GaussianNoise(options.sigma),
    )
    y = scanner(truth)
    result = load_restorer("photographs", "linear").restore(y, Linear(scanner))
    grey = {name: getattr(result, name).mean(dim=1, keepdim=True) for name in ("restored", "hallucinated")}
    print(f"pseudo-inverse   {psnr(scanner.A_dagger(y), truth):6.2f} dB")
    print(f"bigprior         {psnr(grey['restored'], truth):6.2f} dB, {result.mean_share:.1%} made up")
    exact = torch.equal(result.restored, result.measured + result.hallucinated)
    print(f"measured + hallucinated = restored, bit for bit: {exact}")
    seen = scanner.A(grey["hallucinated"]).norm() / scanner.A(grey["restored"]).norm()
    print(f"|A hallucinated| / |A restored| = {seen:.4f}")


if __name__ == "__main__":
    main()
