"""The paper's own measurements: its three tasks, Tables II to V, and Figure 7."""

from __future__ import annotations

from dataclasses import replace

from bigprior import DEFAULT_PRESET
from bigprior.degradations import DEGRADATIONS
from bigprior.degradations.simulation import simulate
from bigprior.evaluation.cases import Cases, simulated
from bigprior.evaluation.protocols.figure7 import correlations
from bigprior.evaluation.protocols.request import Evaluation, Request, Results, mean_scores
from bigprior.evaluation.tables import Rows, means, picture_rows
from bigprior.io.folders import load_set
from bigprior.presets.loading import load_prior, load_restorer
from bigprior.presets.store import embedded
from bigprior.progress import Progress, part_of


def tasks(request: Request, progress: Progress) -> Results:
    """The three tasks at the generator's own size: the fidelity term, the prior, and their fusion."""
    protocols = {"denoising": "denoising-25", "inpainting": "inpainting-centre", "colorization": "colorization"}
    name = request.preset or embedded("gan")
    side = load_prior(name, "denoising").prior.resolution
    pictures = load_set(request.data, request.index, side)
    results: Results = {}
    for done, (task, protocol) in enumerate(protocols.items()):
        metrics = DEGRADATIONS[task].metrics
        restorer = load_restorer(name, task, steps=request.steps)
        y, physics = simulate(protocol, pictures.images, pictures.names)
        result = restorer.restore(y, physics, progress=part_of(progress, done, len(protocols)))
        rows = {"input": result.fidelity, "prior": result.prior, "ours": result.restored}
        results[task] = {row: mean_scores(image, pictures.images, metrics) for row, image in rows.items()}
        results[task]["ours"]["mean_phi"] = result.mean_phi
    return results


def _rows(protocol: str, request: Request, progress: Progress) -> Rows:
    task = next(name for name, physics in DEGRADATIONS.items() if protocol in physics.protocols)
    return rows_of(task, simulated(protocol, request.data, request.index), request, progress)


def rows_of(
    task: str, cases: Cases, request: Request, progress: Progress, metrics: tuple[str, ...] | None = None
) -> Rows:
    """A table's rows as a request asks for them."""
    return picture_rows(
        task,
        cases,
        metrics=metrics,
        preset_name=request.preset or DEFAULT_PRESET,
        steps=request.steps,
        prior_dir=request.prior_dir,
        phi=request.phi,
        prior=request.prior,
        rivals=request.rivals,
        trusted=request.trusted,
        baselines=request.baselines,
        dncnn=request.dncnn,
        lines=request.lines,
        progress=progress,
    )


def table(protocol: str, summary: str | None = None) -> Evaluation:
    """A table of one protocol: the fidelity term, the prior, ours, and the baselines."""

    def measured(request: Request, progress: Progress) -> Results:
        return means(_rows(protocol, request, progress))

    measured.__doc__ = summary or f"Measurements of the protocol {protocol}, restored and scored."
    return measured


table2 = table("colorization", "Table II: colorization.")
table3 = table("inpainting-centre", "Table III: a hole of 64x64 in the centre.")
table4 = table("inpainting-boxes", "Table IV: two to four random boxes.")
table5 = table("denoising", "Table V: blind noise, sigma 5 to 50.")


def figure7(request: Request, progress: Progress) -> Results:
    """Figure 7: how the mean of ``phi`` goes with the noise and with the prior's PSNR, in blind denoising.

    It costs nothing after Table V, with that table's lines.
    """
    rows = _rows("denoising", replace(request, baselines=()), progress)
    return correlations(rows, "denoising")
