"""Which optimiser inverts best in the same time: plain descent, Adam, L-BFGS, or Gauss-Newton.

    python benchmarks/optimizers.py --seconds 2 --json FILE
    python benchmarks/optimizers.py --settings --index 200-207 --json FILE

All begin where the encoder says, and lower the squared error alone, since Gauss-Newton has no other. A
row is the mean over pictures of that error after the same seconds a picture, and of the PSNR against the truth:
``{task: {optimiser: {error, psnr, steps}}}``. What the library uses is Adam; the others live here only.

With ``--settings``, the preset's inversions as shipped, all steps and terms, beside those with another setting:
``error`` is then that of the measurement.
"""

from __future__ import annotations

from bigprior.threads import wait_passively

wait_passively()  # before torch is loaded

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bigprior.degradations import Denoising
from bigprior.degradations.simulation import simulate
from bigprior.evaluation.metrics import psnr
from bigprior.io.folders import load_set
from bigprior.presets.loading import load_prior
from bigprior.priors.gan import GANPrior

PROTOCOLS = {"denoising": "denoising-25", "colorization": "colorization", "inpainting": "inpainting-boxes"}
#: What optimisers are compared on.
TASKS = ("denoising", "colorization")
#: Step sizes of z and alpha, how often the codes move, and whether the steps fall to nothing.
FIRST_ORDER: dict[str, dict[str, Any]] = {
    "plain descent": {"optimizer": "sgd", "lr": 1.0, "alpha_lr": 1.0, "code_every": 1, "decay": False},
    "adam, as shipped (codes at rest)": {},
    "adam, codes at every 5th": {"code_every": 5, "lr": 0.02},
    "adam, codes at every step": {"code_every": 1, "lr": 0.02},
    "adam, steps along a half cosine": {"decay": True},
    "adam, a third of the step size": {"alpha_lr": 0.04},
    "adam, three times the step size": {"alpha_lr": 0.4},
}
#: Settings by task that the preset's are compared with.
OTHERS: dict[str, dict[str, dict[str, Any]]] = {
    "denoising": {"steps along a half cosine": {"decay": True}},
    "inpainting": {"steps along a half cosine": {"decay": True}},
    "colorization": {
        "steps along a half cosine": {"decay": True},
        "colours free": {"unseen": 0.0},
        "colours at a tenth": {"unseen": 0.1},
    },
}

#: Pictures of codes and weights to squared errors (N, values).
Residual = Callable[[Tensor, Tensor], Tensor]


def first_order(
    prior: GANPrior, y: Tensor, physics: Any, seconds: float, changes: dict[str, Any]
) -> tuple[Tensor, int]:
    update = {"perceptual": 0.0, "unseen": 0.0, "steps": 100_000, "budget_s": seconds, **changes}
    rival = GANPrior(prior.generator, prior.settings.model_copy(update=update), encoder=prior.encoder)
    result = rival.project(physics.measure(y))
    assert result.history is not None
    return result.image, len(result.history)


def lbfgs(prior: GANPrior, y: Tensor, physics: Any, seconds: float) -> tuple[Tensor, int]:
    """Strong-Wolfe L-BFGS on codes and weights, one picture after another, since line searches are a picture's own."""
    images, count = list[Tensor](), 0
    for one in y.split(1):
        z, alpha = (t.detach().clone().requires_grad_() for t in start_of(prior, one, physics))
        optimizer = torch.optim.LBFGS([z, alpha], max_iter=4, history_size=20, line_search_fn="strong_wolfe")
        ends = time.monotonic() + seconds / len(y)

        def closure() -> Tensor:
            optimizer.zero_grad()  # noqa: B023
            loss = (physics.f(prior.compose(z, alpha)) - one).square().mean()  # noqa: B023
            loss.backward()
            return loss

        while time.monotonic() < ends:
            optimizer.step(closure)
            count += 4
        images.append(prior.compose(z, alpha).detach())
    return torch.cat(images), count // len(y)


def gauss_newton(
    prior: GANPrior, y: Tensor, physics: Any, seconds: float, inner: int, codes: bool
) -> tuple[Tensor, int]:
    """Levenberg-Marquardt, its equations solved by ``inner`` conjugate gradients; damping is each picture's own.

    With ``codes`` on codes and weights; else on weights alone, whose maps are computed once.
    """
    z, alpha = (t.detach().clone() for t in start_of(prior, y, physics))
    features = None if codes else prior.generated.states(z).map(Tensor.detach)
    sizes = [z[0].numel(), alpha[0].numel()] if codes else [alpha[0].numel()]
    point = torch.cat([z.flatten(1), alpha.flatten(1)], 1) if codes else alpha.flatten(1)

    def picture(p: Tensor) -> Tensor:
        parts = p.split(sizes, 1)
        if features is None:
            return prior.compose(parts[0].view_as(z), parts[1].view_as(alpha))
        return prior.generated.picture(features, parts[0].view_as(alpha))

    def residual(p: Tensor) -> Tensor:
        return (physics.f(picture(p)) - y).flatten(1)

    damping, steps, ends = torch.full((len(y), 1), 1e-2), 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        with torch.enable_grad():
            at = point.clone().requires_grad_()
            r = residual(at)
            dummy = torch.zeros_like(r, requires_grad=True)
            (pulled,) = torch.autograd.grad(r, at, dummy, create_graph=True)  # linear in dummy: J^T dummy
        (gradient,) = torch.autograd.grad(r, at, r.detach(), retain_graph=True)

        def product(v: Tensor) -> Tensor:
            (pushed,) = torch.autograd.grad(pulled, dummy, v, retain_graph=True)  # noqa: B023
            (back,) = torch.autograd.grad(r, at, pushed, retain_graph=True)  # noqa: B023
            return back + damping * v  # noqa: B023

        step = conjugate_gradients(product, -gradient, inner)
        with torch.no_grad():
            better = residual(point + step).square().sum(1, keepdim=True) < r.detach().square().sum(1, keepdim=True)
            point = torch.where(better, point + step, point)
            damping = torch.where(better, damping / 3, damping * 5)
        steps += 1
    return picture(point).detach(), steps


def conjugate_gradients(product: Callable[[Tensor], Tensor], b: Tensor, iterations: int) -> Tensor:
    """Solves ``product(x) = b`` for each row by itself."""
    x, r = torch.zeros_like(b), b
    p, rho = r, r.square().sum(1, keepdim=True)
    for _ in range(iterations):
        ap = product(p)
        a = rho / (p * ap).sum(1, keepdim=True).clamp_min(1e-20)
        x, r = x + a * p, r - a * ap
        rho, before = r.square().sum(1, keepdim=True), rho
        p = r + rho / before.clamp_min(1e-20) * p
    return x


def start_of(prior: GANPrior, y: Tensor, physics: Any) -> tuple[Tensor, Tensor]:
    """Where the preset's inversions begin."""
    if prior.encoder is not None:
        return prior.encoder(physics.measure(y))
    s = prior.settings
    z = torch.randn(1, s.codes, prior.generator.z_dim, generator=torch.Generator().manual_seed(0))
    alpha = torch.full((len(y), s.codes, prior.generator.channels_at(s.layer)), 1 / s.codes)
    return z.repeat(len(y), 1, 1), alpha


def arms(prior: GANPrior, y: Tensor, physics: Any, seconds: float) -> dict[str, Callable[[], tuple[Tensor, int]]]:
    """Every optimiser by name; each gives its pictures and the number of its steps."""

    def of_first_order(changes: dict[str, Any]) -> Callable[[], tuple[Tensor, int]]:
        return lambda: first_order(prior, y, physics, seconds, changes)

    return {name: of_first_order(changes) for name, changes in FIRST_ORDER.items()} | {
        "l-bfgs": lambda: lbfgs(prior, y, physics, seconds),
        "gauss-newton, weights": lambda: gauss_newton(prior, y, physics, seconds, 8, False),
        "gauss-newton, codes and weights": lambda: gauss_newton(prior, y, physics, seconds, 8, True),
    }


def settings_of(prior: GANPrior, task: str, y: Tensor, physics: Any) -> dict[str, Callable[[], tuple[Tensor, int]]]:
    """The preset's own settings and others by name; each gives its pictures and the number of its steps."""

    def with_changes(changes: dict[str, Any]) -> Callable[[], tuple[Tensor, int]]:
        rival = GANPrior(prior.generator, prior.settings.model_copy(update=changes), encoder=prior.encoder)
        return lambda: (rival.project(physics.measure(y)).image, prior.settings.steps)

    return {name: with_changes(changes) for name, changes in {"as shipped": {}, **OTHERS[task]}.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = Path(__file__).parents[2] / "shared"
    parser.add_argument("--data", type=Path, default=shared / "data" / "lsun_val" / "bedroom")
    parser.add_argument("--index", default="200-203")
    parser.add_argument("--seconds", type=float, default=2.0, help="a picture")
    parser.add_argument("--settings", action="store_true", help="compare settings of the preset, not optimisers")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    first, last = map(int, options.index.split("-"))
    results: dict[str, dict[str, dict[str, float]]] = {}
    for task in OTHERS if options.settings else TASKS:
        prior = load_prior("rooms", task).prior
        assert isinstance(prior, GANPrior)
        pictures = load_set(options.data, (first, last), prior.resolution)
        y, physics = simulate(PROTOCOLS[task], pictures.images, pictures.names)
        if isinstance(physics, Denoising):
            physics = Denoising()  # not told the noise, nobody stops at it
        if options.settings:
            rows = settings_of(prior, task, y, physics)
        else:
            rows = arms(prior, y, physics, options.seconds * len(y))
        results[task] = {}
        for name, run in rows.items():
            image, steps = run()
            error = (physics.f(image) - y).square().mean()
            row = {"error": float(error), "psnr": float(psnr(image, pictures.images).mean()), "steps": steps}
            results[task][name] = row
            print(task, name, row, flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
