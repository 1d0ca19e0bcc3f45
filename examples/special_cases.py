"""The paper's special cases, computed: what of each classical estimate is measured, and what its prior's.

    python examples/special_cases.py [--side 96]

A crop of scikit-image's coffee (CC0) has white noise of 25 of 255. Printed are how far each estimate, found by its own
equation, is from the fusion of Eq. 5, and what its knob does to phi.
"""

import argparse

import skimage.data
import torch

import bigprior
from bigprior.filters.gradients import sparse_gradients
from bigprior.priors.filtered import as_array, as_tensor
from bigprior.priors.map import beta_of

SIGMA = 25 / 255


def restored(prior: bigprior.Prior, y: torch.Tensor) -> bigprior.Restoration:
    return bigprior.Restorer(prior, bigprior.ConstantPhi()).restore(y, bigprior.Denoising(SIGMA))


def said(name: str, result: bigprior.Restoration, truth: torch.Tensor) -> str:
    low, high = result.phi.quantile(torch.tensor([0.05, 0.95])).tolist()
    decibels = -10 * (result.restored - truth).square().mean().log10().item()
    return f"{name:<28} {decibels:6.2f} dB   phi {result.phi.mean():.3f}   5% {low:.3f}   95% {high:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=96, help="of the crop, in pixels")
    side = parser.parse_args().side
    photo = torch.from_numpy(skimage.data.coffee()).permute(2, 0, 1)[None].float() / 255
    truth = torch.nn.functional.interpolate(photo, scale_factor=0.5, mode="bilinear", antialias=True)
    truth = truth[..., 40 : 40 + side, 100 : 100 + side].clamp(0, 1)
    y = truth + SIGMA * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))

    result = restored(bigprior.GaussianMAP(), y)
    s = (1 / result.phi.double().clamp_min(1e-12) - 1).clamp_min(1e-12)  # Eq. 8, solved for S
    closed = y.double() / (1 + 1 / s) + result.prior.double() / (1 + s)  # Eq. 6
    print(f"Eq. 6, Gaussian MAP: differs from Eq. 5 by {(result.restored - closed).abs().max():.1e} at most")
    print(said("  pixels around", result, truth))

    for name, gamma in (("total variation", 1.0), ("hyper-Laplacian, gamma 0.8", 0.8)):
        own = beta_of(gamma, SIGMA) * 3**0.4
        found = as_tensor(sparse_gradients(as_array(y), own, gamma).image, y)
        result = restored(bigprior.GradientMAP(gamma, own), y)
        print(f"Eq. 3, {name}: differs from Eq. 5 by {(result.restored - found).abs().mean():.1e} in the mean")
        for times in (0.25, 0.5, 1, 2, 4):
            result = restored(bigprior.GradientMAP(gamma, times * own), y)
            print(said(f"  beta {times * own:.3f}", result, truth))

    print("Eq. 9-10, a dictionary: x within epsilon of span(M)")
    for epsilon in (0.0, 0.1, 0.3, 0.6, 1.0):
        print(said(f"  epsilon {epsilon:.1f}", restored(bigprior.DictionaryMAP(epsilon), y), truth))


if __name__ == "__main__":
    main()
