"""Inversion in a fraction of the time: the released recipe beside ours, on the same generator and the same objective.

    python benchmarks/inversion.py --json FILE

The reference arm is the released recipe: plain descent, 3,000 steps of 30 codes composed at layer 4 (denoising) or
1,500 of 20 at layer 6 (colorization), codes one after another, the target's features at every step, gradients of the
generator's weights, one picture at a time. Its seconds a step are measured as it is, on ``--stretch`` steps; what it
ends at is that of a run to the last step, of the first ``--references`` pictures, with the same sums in a cheaper order
(``deviation`` says how far the two are apart after the stretch). These runs take a quarter of an hour each or more, are
kept in ``--runs``, and go on from there.

Ours is the preset as it is shipped, in the fewest steps of ``STEPS`` after which the reference's objective is at its
final value *and* the PSNR against the truth is no lower than the reference's; where none of them is enough for the
second, ``psnr_kept`` is false and the steps are those of the objective alone. ``speedup`` is the lesser of the two
tasks'.

``--parts compiled`` says what ``torch.compile`` brings; it needs a C++ compiler, and minutes.

What is compared is timed in turn, three rounds, so that whatever else the machine does meets all alike: a ratio is the
median of the rounds' own. ``cpu`` is the process's time, ``wall`` the clock's, which is also what ``speedup`` means.
"""

from __future__ import annotations

from bigprior.threads import wait_passively

wait_passively()  # before torch is loaded

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bigprior.degradations import Degradation, Denoising, task_of
from bigprior.degradations.simulation import simulate
from bigprior.evaluation.metrics import psnr
from bigprior.io.atomic import replacing
from bigprior.io.folders import load_set
from bigprior.networks.generators import PGGAN, State
from bigprior.ops.perceptual import VGGFeatures
from bigprior.presets.loading import load_prior
from bigprior.presets.store import load_part
from bigprior.priors.gan import GANPrior, paper_settings
from bigprior.priors.inversion import InversionSettings
from bigprior.priors.losses import InversionLoss, VGGTerm

#: How each task measures the pictures.
PROTOCOLS = {"denoising": "denoising-25", "colorization": "colorization"}
#: How many steps ours is given.
STEPS = (1, 2, 3, 5, 8, 12, 20, 30, 40, 50, 60, 80, 100, 120, 160, 200, 300, 400)
#: Channels, side and pictures of the convolutions whose speed is the machine's peak.
CONVOLUTIONS = ((256, 16, 64), (256, 8, 128), (128, 32, 16), (64, 64, 16), (64, 256, 1))
REPEATS = 3
#: Ours on a batch of all pictures, and on one.
KINDS = ("batch", "single")
#: Seconds of each clock, ``wall`` and ``cpu``.
Seconds = dict[str, float]


def elapsed(run: Callable[[], object], share: float = 1.0) -> Seconds:
    """Seconds of ``run``, or a share of them."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return {"wall": (time.perf_counter() - wall) * share, "cpu": (time.process_time() - cpu) * share}


class Timed:
    """Arms timed in turn, :data:`REPEATS` rounds.

    Args:
        arms: by name; each says how long it took.
    """

    def __init__(self, arms: Mapping[str, Callable[[], Seconds]]) -> None:
        self.rounds = [{name: arm() for name, arm in arms.items()} for _ in range(REPEATS)]

    def seconds(self, name: str) -> Seconds:
        """Medians of the rounds."""
        return {clock: statistics.median(row[name][clock] for row in self.rounds) for clock in ("wall", "cpu")}

    def ratio(self, slow: str, fast: str, times: float = 1.0) -> Seconds:
        """How many times ``fast`` is faster: the median of the rounds' own ratios, multiplied by ``times``."""
        return {
            clock: times * statistics.median(row[slow][clock] / row[fast][clock] for row in self.rounds)
            for clock in ("wall", "cpu")
        }


class ReleasedGenerator(nn.Module):
    """Progressive GAN's generator as it was released: one plain operation after another, and weights with gradients."""

    def __init__(self, generator: PGGAN) -> None:
        super().__init__()
        self.layers, self.stages = generator.layers, generator.layers // 2
        for name, value in generator.state_dict().items():
            self.register_parameter(name.replace(".", "_"), nn.Parameter(value.clone().contiguous()))

    def first(self, z: Tensor, layer: int) -> Tensor:
        """One code (1, z_dim) to the maps that enter ``layer``."""
        x = z[:, :, None, None]
        for i in range(layer):
            x = self._layer(x, i)
        return x

    def second(self, x: Tensor, layer: int) -> Tensor:
        """The maps that enter ``layer`` to pictures in [0, 1]."""
        for i in range(layer, self.layers):
            x = self._layer(x, i)
        return (self._convolved(_pixel_norm(x), f"output{self.stages - 1}", 1.0, 0) + 1) / 2

    def _layer(self, x: Tensor, i: int) -> Tensor:
        x = _pixel_norm(x)
        if i and i % 2 == 0:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        return F.leaky_relu(self._convolved(x, f"layer{i}", 2.0, 1 if i else 3), 0.2)

    def _convolved(self, x: Tensor, name: str, gain: float, padding: int) -> Tensor:
        weight, bias = getattr(self, f"{name}_conv_weight"), getattr(self, f"{name}_wscale_bias")
        x = F.conv2d(x, weight, padding=padding)
        return x * math.sqrt(gain / weight[0].numel()) + bias[:, None, None]


def _pixel_norm(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


def released_start(generator: PGGAN, settings: InversionSettings) -> tuple[Tensor, Tensor]:
    """``z`` (1, N, z_dim), normal, and ``alpha`` (1, N, C), 1/N."""
    z = torch.randn(1, settings.codes, generator.z_dim, generator=torch.Generator().manual_seed(0))
    return z, torch.full((1, settings.codes, generator.channels_at(settings.layer)), 1 / settings.codes)


class ReferenceArm:
    """The released recipe on one picture: plain descent, codes one after another, nothing kept between steps.

    Args:
        generator: what is inverted.
        vgg: the trunk of the perceptual term.
        settings: the paper's, of a task.
    """

    def __init__(self, generator: PGGAN, vgg: VGGFeatures, settings: InversionSettings) -> None:
        self.settings, self.vgg = settings, vgg
        self.generator = ReleasedGenerator(generator)

    def step(self, z: Tensor, alpha: Tensor, y: Tensor, physics: Degradation) -> tuple[Tensor, Tensor, float]:
        """Codes (1, N, z_dim) and weights (1, N, C) after a step, and the objective before it."""
        s = self.settings
        z, alpha = z.clone().requires_grad_(), alpha.clone().requires_grad_()
        features = torch.zeros(())
        for n in range(s.codes):
            features = features + self.generator.first(z[:, n], s.layer) * alpha[:, n, :, None, None]
        image = physics.f(self.generator.second(features / s.codes, s.layer))
        with torch.no_grad():
            target = self._features(y)
        loss = F.mse_loss(image, y) + s.perceptual * F.l1_loss(self._features(image), target)
        self.generator.zero_grad()
        loss.backward()
        return (z - s.lr * z.grad).detach(), (alpha - s.alpha_lr * alpha.grad).detach(), loss.item()

    def _features(self, x: Tensor) -> Tensor:
        return self.vgg(x.expand(-1, 3, -1, -1))["conv3_3"]


def reference_run(
    generator: PGGAN, vgg: Path, settings: InversionSettings, y: Tensor, physics: Degradation, kept: Path
) -> tuple[Tensor, list[float]]:
    """The released recipe to its last step: the picture, and the objective before each step and at the end.

    The sums are those of :class:`ReferenceArm` in a cheaper order: all codes at once, the target's features once, no
    gradient of the generator. It goes on where ``kept`` was last written.
    """
    prior = GANPrior(generator, settings, vgg=vgg)
    loss_of = InversionLoss(y, settings.l2, settings.l1, settings.perceptual, prior.term)
    (z, alpha), objective = released_start(generator, settings), list[float]()
    if kept.exists():
        state = torch.load(kept, weights_only=True)
        z, alpha, objective = state["z"], state["alpha"], state["objective"]
    while len(objective) < settings.steps:
        z, alpha = z.requires_grad_(), alpha.requires_grad_()
        loss, _ = loss_of(physics.f(prior.compose(z, alpha)))
        grad_z, grad_alpha = torch.autograd.grad(loss.sum(), (z, alpha))
        z, alpha = (z - settings.lr * grad_z).detach(), (alpha - settings.alpha_lr * grad_alpha).detach()
        objective.append(loss.item())
        if len(objective) % 50 == 0 or len(objective) == settings.steps:
            with replacing(kept) as temporary:
                torch.save({"z": z, "alpha": alpha, "objective": objective}, temporary)
    with torch.no_grad():
        image = prior.compose(z, alpha)
        return image, [*objective, loss_of(physics.f(image))[0].item()]


def reference_stretch(arm: ReferenceArm, generator: PGGAN, y: Tensor, physics: Degradation, steps: int) -> float:
    """The released recipe as it is, for a few steps: the objective before the last of them."""
    z, alpha = released_start(generator, arm.settings)
    value = 0.0
    for _ in range(steps):
        z, alpha, value = arm.step(z, alpha, y, physics)
    return value


def compare(task: str, options: argparse.Namespace) -> dict[str, Any]:
    """Both arms on one task."""
    generator, settings = load_part("rooms", "generator"), paper_settings(task_of(task))
    first, last = map(int, options.index.split("-"))
    pictures = load_set(options.data, (first, last), generator.resolution)
    y, physics = simulate(PROTOCOLS[task], pictures.images, pictures.names)
    if isinstance(physics, Denoising):
        physics = Denoising()  # not told the noise, ours does not stop at it
    few, truth = options.references, pictures.images
    images, curves = list[Tensor](), list[list[float]]()
    for i in range(few):
        kept = options.runs / f"{task}-{pictures.names[i]}.pt"
        image, curve = reference_run(generator, options.vgg, settings, y[i : i + 1], physics, kept)
        images.append(image)
        curves.append(curve)
    goal = Goal(torch.tensor([curve[-1] for curve in curves]), psnr(torch.cat(images), truth[:few]))
    vgg = VGGFeatures(options.vgg)
    loss_of = InversionLoss(y[:few], settings.l2, settings.l1, settings.perceptual, VGGTerm(vgg))
    steps, kept_psnr, trace = steps_to(goal, lambda n: prior_of(task, n), y[:few], truth[:few], physics, loss_of)
    arm, prior, stretch = ReferenceArm(generator, vgg, settings), prior_of(task, steps), options.stretch
    value, expected = reference_stretch(arm, generator, y[:1], physics, stretch), curves[0][stretch - 1]
    whole = list[Tensor]()
    timed = Timed(
        {
            "step": lambda: elapsed(lambda: reference_stretch(arm, generator, y[:1], physics, stretch), 1 / stretch),
            "single": lambda: elapsed(lambda: prior.project(physics.measure(y[:1]))),
            "batch": lambda: elapsed(lambda: whole.append(prior.project(physics.measure(y)).image), 1 / len(y)),
        }
    )
    return {
        "reference": {
            "seconds_a_step": timed.seconds("step"),
            "seconds": {clock: t * settings.steps for clock, t in timed.seconds("step").items()},
            "deviation": abs(value - expected) / expected,
            "objective": goal.objective.tolist(),
            "psnr": goal.psnr.tolist(),
        },
        "ours": {
            "steps": steps,
            "psnr_kept": kept_psnr,
            "seconds_batch": timed.seconds("batch"),
            "seconds_single": timed.seconds("single"),
            **trace[steps],
            "psnr_of_all": float(psnr(whole[0], truth).mean()),
            "trace": trace,
        },
        "speedup": {kind: timed.ratio("step", kind, settings.steps) for kind in KINDS},
    }


def prior_of(task: str, steps: int) -> GANPrior:
    prior = load_prior("rooms", task, steps=steps).prior
    assert isinstance(prior, GANPrior)
    return prior


@dataclass(frozen=True)
class Goal:
    """What the reference ends at, picture by picture: ``objective`` and ``psnr``, each (N,)."""

    objective: Tensor
    psnr: Tensor


def steps_to(
    goal: Goal,
    prior_with: Callable[[int], GANPrior],
    y: Tensor,
    truth: Tensor,
    physics: Degradation,
    loss_of: InversionLoss,
) -> tuple[int, bool, dict[int, dict[str, list[float]]]]:
    """The fewest of :data:`STEPS` that reach ``goal``, whether in PSNR too, and what each number of steps reached.

    No picture's objective may be above the reference's, nor the mean PSNR below; where the second cannot be had, the
    fewest for the first.

    Raises:
        SystemExit: not even the most of them are enough for the objective.
    """
    trace, enough = dict[int, dict[str, list[float]]](), list[int]()
    for steps in STEPS:
        prior = prior_with(steps)
        result = prior.project(physics.measure(y))
        with torch.no_grad():  # not clipped to [0, 1], as the reference's is not
            reached, _ = loss_of(physics.f(prior.compose(**result.codes)))
        quality = psnr(result.image, truth)
        trace[steps] = {"objective": reached.tolist(), "psnr": quality.tolist()}
        if bool((reached <= goal.objective).all()):
            enough.append(steps)
            if quality.mean() >= goal.psnr.mean():
                return steps, True, trace
    if not enough:
        raise SystemExit(f"{STEPS[-1]} steps reach {reached.tolist()}, above the reference's {goal.objective.tolist()}")
    return enough[0], False, trace


def efficiency(prior: GANPrior, pictures: int = 16) -> dict[str, float]:
    """GFLOP/s of our optimisation in a batch, beside those of the machine's fastest convolution."""
    side = prior.resolution
    y = torch.rand(pictures, 3, side, side, generator=torch.Generator().manual_seed(0))
    with FlopCounterMode(display=False) as counter:  # which also warms up
        prior.project(Denoising().measure(y))
    convolutions = {str(shape): convolution(shape) for shape in CONVOLUTIONS}
    timed = Timed(
        {"ours": lambda: elapsed(lambda: prior.project(Denoising().measure(y)))}
        | {name: lambda run=run: elapsed(run) for name, (run, _) in convolutions.items()}
    )
    achieved = counter.get_total_flops() / timed.seconds("ours")["wall"] / 1e9
    peak = max(flops / timed.seconds(name)["wall"] / 1e9 for name, (_, flops) in convolutions.items())
    return {"achieved_gflops": achieved, "peak_gflops": peak, "share": achieved / peak}


def convolution(shape: tuple[int, int, int]) -> tuple[Callable[[], Tensor], int]:
    """Forward 3x3 convolution in ``channels_last``, and its operations."""
    channels, side, pictures = shape
    x = torch.randn(pictures, channels, side, side).contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(channels, channels, 3, 3).contiguous(memory_format=torch.channels_last)
    F.conv2d(x, kernel, padding=1)  # the first prepares the kernel
    return lambda: F.conv2d(x, kernel, padding=1), 2 * 9 * pictures * (channels * side) ** 2


def growth(generator: PGGAN) -> dict[str, Any]:
    """Seconds of five steps over the number of pictures and over ``N``, and the exponents of the growth."""

    def arm(pictures: int, codes: int) -> Callable[[], Seconds]:
        prior = GANPrior(generator, InversionSettings(codes=codes, steps=5))
        shape = (pictures, 3, generator.resolution, generator.resolution)
        y = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        return lambda: elapsed(lambda: prior.project(Denoising().measure(y)))

    arms = {("images", n): arm(n, 15) for n in (1, 2, 4, 8)} | {("codes", n): arm(2, n) for n in (5, 10, 15, 20, 30)}
    arms["images", 1]()  # warms up
    timed = Timed({f"{kind} {n}": run for (kind, n), run in arms.items()})
    points: dict[str, dict[int, float]] = {"images": {}, "codes": {}}
    for kind, n in arms:
        points[kind][n] = timed.seconds(f"{kind} {n}")["cpu"]
    return {"points": points, "exponents": {name: exponent(row) for name, row in points.items()}}


def exponent(row: dict[int, float]) -> float:
    """The slope of a line through the points, both axes logarithmic."""
    return statistics.linear_regression([math.log(n) for n in row], [math.log(t) for t in row.values()]).slope


def growth_figure(results: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(7.4, 3.2), layout="constrained", dpi=100)
    titles = {"images": "pictures in a batch (15 codes)", "codes": "codes N (2 pictures)"}
    for axes, (name, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        row = results["points"][name]
        axes.plot(list(row), list(row.values()), "o-", color="#0072B2")
        axes.set_xlabel(title, fontsize=8)
        axes.set_title(f"grows as its power of {results['exponents'][name]:.2f}", fontsize=8)
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.tick_params(labelsize=8)
        axes.grid(color="0.9")
    figure.axes[0].set_ylabel("processor seconds of five steps", fontsize=8)
    return figure


def released_format(vgg: Path, side: int = 256) -> dict[str, Any]:
    """Seconds a step at batch 1 with an untrained generator of the released format.

    ``cycle`` is the mean of ours over five steps, in one of which the codes move; ``at_rest`` is a step without, as all
    are where an encoder chose the codes.
    """
    torch.manual_seed(0)
    generator = PGGAN(side).eval().requires_grad_(False)
    x, every = torch.rand(1, 3, side, side), InversionSettings().code_every
    moving = GANPrior(generator, InversionSettings(steps=1 + every))
    resting = GANPrior(generator, InversionSettings(steps=1 + every, code_every=0))
    arms = {"cycle": lambda: seconds_a_step(moving, x), "at_rest": lambda: seconds_a_step(resting, x)}

    def reference(task: str, protocol: str) -> Callable[[], Seconds]:
        y, physics = simulate(protocol, x, ["noise"])
        arm = ReferenceArm(generator, VGGFeatures(vgg), paper_settings(task_of(task)))
        return lambda: elapsed(lambda: reference_stretch(arm, generator, y, physics, 1))

    timed = Timed(arms | {task: reference(task, protocol) for task, protocol in PROTOCOLS.items()})
    return {"ours": {name: timed.seconds(name) for name in arms}} | {
        task: {"reference": timed.seconds(task), "speedup": {name: timed.ratio(task, name) for name in arms}}
        for task in PROTOCOLS
    }


def seconds_a_step(prior: GANPrior, y: Tensor) -> Seconds:
    """The mean of all steps but the first, of which the codes move in every ``code_every``-th."""
    marks = list[tuple[float, float]]()
    m = Denoising().measure(y)
    prior.project(m, progress=lambda done, total: marks.append((time.perf_counter(), time.process_time())))
    wall, cpu = ((end - start) / (len(marks) - 1) for start, end in zip(marks[0], marks[-1], strict=True))
    return {"wall": wall, "cpu": cpu}


def compiled(prior: GANPrior, pictures: int = 16) -> dict[str, Any]:
    """Seconds of the generator's second half and its gradient as it is and by ``torch.compile``, and to compile it."""
    layer, side = prior.settings.layer, 2 ** (prior.settings.layer // 2 + 1)
    x = torch.randn(pictures, prior.generator.channels_at(layer), side, side).requires_grad_()
    ways = {"plain": prior.generator.second, "compiled": torch.compile(prior.generator.second)}

    def step(second: Callable[[State, int], Tensor]) -> None:
        torch.autograd.grad(second(State(x), layer).square().sum(), x)

    first = elapsed(lambda: step(ways["compiled"]))
    timed = Timed({name: lambda second=second: elapsed(lambda: step(second)) for name, second in ways.items()})
    seconds = {name: timed.seconds(name) for name in ways}
    return {"first": first, "seconds": seconds, "speedup": timed.ratio("plain", "compiled")}


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "tasks": lambda options: {task: compare(task, options) for task in PROTOCOLS},
    "released_format": lambda options: released_format(options.vgg),
    "step": lambda options: dict[str, Any](efficiency(prior_of("denoising", 20))),
    "growth": lambda options: growth(load_part("rooms", "generator")),
    "compiled": lambda options: compiled(prior_of("denoising", 1)),
}
#: All but the compiler, which takes minutes.
USUAL = tuple(name for name in PARTS if name != "compiled")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = Path(__file__).parents[2] / "shared"
    parser.add_argument("--data", type=Path, default=shared / "data" / "lsun_val" / "bedroom")
    parser.add_argument("--vgg", type=Path, default=shared / "weights" / "vgg16_features_to_conv3_3.safetensors")
    parser.add_argument("--index", default="250-265", help="pictures, both included")
    parser.add_argument("--references", type=int, default=1, help="pictures that the released recipe is run on")
    parser.add_argument("--stretch", type=int, default=4, help="steps of the released recipe that are timed")
    parser.add_argument("--runs", type=Path, default=Path("runs/inversion"), help="the released recipe's finished runs")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=USUAL, help="run these alone; others stay in FILE as they are"
    )
    parser.add_argument("--plot", type=Path, help="where to draw the growth of cost")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {"threads": torch.get_num_threads()}
    if options.parts != USUAL and options.json and options.json.exists():
        results = json.loads(options.json.read_text())
    for name in options.parts:
        results[name] = PARTS[name](options)
        if name == "tasks":
            rows = results["tasks"].values()
            results["speedup"] = {kind: min(row["speedup"][kind]["wall"] for row in rows) for kind in KINDS}
        print(json.dumps({name: results[name]}, indent=2), flush=True)
        if options.json:  # after each part, since all take half an hour
            options.json.write_text(json.dumps(results, indent=2) + "\n")
    if options.plot and "growth" in options.parts:
        growth_figure(results["growth"]).savefig(options.plot, metadata={"Software": None})


if __name__ == "__main__":
    main()
