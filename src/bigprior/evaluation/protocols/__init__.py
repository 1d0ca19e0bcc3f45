"""What can be measured of a prior and a restorer, by name. Figures come as ``{method: {metric: mean}}``."""

from __future__ import annotations

from bigprior.degradations.simulation import protocols
from bigprior.errors import UnknownNameError
from bigprior.evaluation.protocols.ablations import ablations
from bigprior.evaluation.protocols.classical import classical
from bigprior.evaluation.protocols.coverage import coverage, warning
from bigprior.evaluation.protocols.dejpeg import dejpeg
from bigprior.evaluation.protocols.field import awgn, colours, deblur, demosaic, holes, jpeg, poisson, real, upscale
from bigprior.evaluation.protocols.figures import gallery
from bigprior.evaluation.protocols.frames import frames
from bigprior.evaluation.protocols.paper import figure7, table, table2, table3, table4, table5, tasks
from bigprior.evaluation.protocols.priors import generator, inversion, samplers
from bigprior.evaluation.protocols.request import Evaluation, Request
from bigprior.evaluation.protocols.truth import truth
from bigprior.registry import Registry

#: Every evaluation by name.
EVALUATIONS: Registry[Evaluation] = Registry(
    "evaluation",
    "bigprior.evaluations",
    {
        "inversion": inversion,
        "tasks": tasks,
        "table2": table2,
        "table3": table3,
        "table4": table4,
        "table5": table5,
        "figure7": figure7,
        "gallery": gallery,
        "ablations": ablations,
        "generator": generator,
        "samplers": samplers,
        "frames": frames,
        "awgn": awgn,
        "real": real,
        "jpeg": jpeg,
        "dejpeg": dejpeg,
        "poisson": poisson,
        "holes": holes,
        "colours": colours,
        "classical": classical,
        "coverage": coverage,
        "warning": warning,
        "truth": truth,
        "upscale": upscale,
        "deblur": deblur,
        "demosaic": demosaic,
    },
)


def evaluation(name: str) -> Evaluation:
    """The evaluation called ``name``, or a table of the protocol of that name: ours and the baselines, on any pictures.

    Raises:
        UnknownNameError: no such evaluation or protocol.
    """
    if name in EVALUATIONS:
        return EVALUATIONS[name]
    if name not in (known := protocols()):
        raise UnknownNameError("evaluation", name, [*EVALUATIONS, *known])
    return table(name)


__all__ = ["EVALUATIONS", "Evaluation", "Request", "evaluation"]
