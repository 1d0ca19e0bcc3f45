"""What was measured and what is made up of a slice that a magnetic resonance scanner saw in a third of the time.

    python examples/mri.py

Shepp and Logan's phantom, with a phase that changes slowly over it, is a complex picture. Some lines of its spectrum
are measured, with noise, by deepinv's own operator of a single coil; and reconstructed from the same data by deepinv,
which leaves the other lines empty, or minimises total variation, and by bigprior, whose phi is known in closed form:
1 on lines that were skipped. Prints the PSNR of each, by the complex difference; how much of ours is made up; that both
parts sum to it; and how much of what is made up the scanner would have seen.
"""

import argparse
import math

import deepinv as dinv
import skimage.data
import torch
from torch import Tensor

from bigprior import Linear, load_restorer
from bigprior.ops.resampling import resized


def psnr(x: Tensor, truth: Tensor) -> float:
    """In dB, of complex pictures (1, 2, H, W) whose magnitude is in [0, 1]."""
    return float(-10 * (x - truth).square().sum(dim=1).mean().log10())


def lines(side: int, share: float) -> Tensor:
    """Which lines of the spectrum are measured: the lowest frequencies, and of the others some drawn at random."""
    order = torch.randperm(side, generator=torch.Generator().manual_seed(0))
    lowest = (torch.arange(side) - side // 2).abs() <= side // 24
    chosen = [*lowest.nonzero().flatten().tolist(), *(i for i in order.tolist() if not lowest[i])]
    mask = torch.zeros(side, side)
    mask[:, chosen[: round(share * side)]] = 1
    return mask


def total_variation(y: Tensor, scanner: dinv.physics.MRI, weight: float, steps: int = 300) -> Tensor:
    """The picture of least |A x - y|^2 / 2 + weight TV(x), by deepinv's FISTA."""
    how = {"prior": dinv.optim.TVPrior(n_it_max=20), "data_fidelity": dinv.optim.L2()}
    found: Tensor = dinv.optim.FISTA(**how, stepsize=1.0, lambda_reg=weight, max_iter=steps)(y, scanner)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1 / 3, help="of the lines, which are measured")
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--sigma", type=float, default=0.01)
    parser.add_argument("--steps", type=int, default=32, help="of ours; what a scan skipped is far from what it took")
    options = parser.parse_args()
    torch.manual_seed(0)
    phantom = torch.from_numpy(skimage.data.shepp_logan_phantom()).float()[None, None]
    magnitude = resized(phantom, options.side, options.side)
    phase = torch.linspace(-math.pi / 4, math.pi / 4, options.side)
    truth = torch.cat([magnitude * phase.cos(), magnitude * phase.sin()], dim=1)
    mask = lines(options.side, options.share)
    scanner = dinv.physics.MRI(mask=mask, noise_model=dinv.physics.GaussianNoise(options.sigma))
    y = scanner(truth)
    result = load_restorer("photographs", "linear", steps=options.steps).restore(y, Linear(scanner))
    restored, hallucinated = result.restored[:, :2], result.hallucinated[:, :2]  # real and imaginary
    print(f"empty lines      {psnr(scanner.A_dagger(y), truth):6.2f} dB")
    print(f"total variation  {psnr(total_variation(y, scanner, options.sigma), truth):6.2f} dB")
    print(f"bigprior         {psnr(restored, truth):6.2f} dB, {result.mean_share:.1%} made up")
    exact = torch.equal(result.restored, result.measured + result.hallucinated)
    print(f"measured + hallucinated = restored, bit for bit: {exact}")
    seen = scanner.A(hallucinated).norm() / scanner.A(restored).norm()
    print(f"|A hallucinated| / |A restored| = {seen:.4f}")


if __name__ == "__main__":
    main()
