"""Every kind of prior in one list: what it can restore, who thought of it, and what it is in the paper's terms."""

from __future__ import annotations

from dataclasses import dataclass

from bigprior.degradations import DEGRADATIONS
from bigprior.networks.generators import GENERATORS
from bigprior.priors.named import PRIORS


@dataclass(frozen=True)
class Listed:
    """One kind.

    Attributes:
        kind: its name.
        tasks: the degradations that it serves, by name.
        source: who thought of it, and when; or what it is.
        equation: of the paper, and what its terms are.
        use: how the command line is asked for it.
    """

    kind: str
    tasks: tuple[str, ...]
    source: str
    equation: str
    use: str


#: Who thought of the generators.
_SOURCES = {
    "pggan": "Karras, Aila, Laine and Lehtinen, 2018",
    "dcgan": "Radford, Metz and Chintala, 2016",
    "stylegan": "Karras, Laine and Aila, 2019",
    "stylegan2": "Karras et al., 2020",
    "lr-gan": "Yang, Kannan, Batra and Parikh, 2017",
    "cvae-gan": "Bao, Chen, Wen, Li and Hua, 2017",
    "taesd": "Bohan, 2023",
}
#: Kinds that are no name in a registry: source, equation and use.
_OTHERS = {
    "diffusion": (
        "Ho, Jain and Abbeel, 2020; Chung et al., 2023",
        "Eq. 5, prior = mean or sample of what a denoiser knows, given the measurement",
        "--preset photographs",
    ),
    "feature-map": (
        "Bau et al., Semantic photo manipulation with a generative image prior, 2019",
        "Eq. 11, then G's own features and weights move too",
        "priors import FILE --set feature_maps.steps=100",
    ),
    "feed-forward": (
        "any network of a file, or a deepinv Reconstructor or Denoiser",
        "Section III-B: a network's output in place of G(z*)",
        "--prior FILE",
    ),
    "function": (
        "any differentiable function of a code",
        "Eq. 11, G = the function",
        "FunctionGenerator(function, code_shape), from Python",
    ),
    "precomputed": (
        "pictures that were made elsewhere",
        "Eq. 5 with any picture as G(z*)",
        "--prior PICTURE or FOLDER",
    ),
}


def catalogue() -> list[Listed]:
    """Generators, what is trained in another way, and the priors that have a name."""
    every = tuple(DEGRADATIONS)
    inverted = "Eq. 11-13, z* = argmin L(f(G(z)), y)"
    rows = [
        Listed(
            name,
            every,
            _SOURCES.get(name) or _summary(network),
            inverted,
            f"priors import FILE --as {name}",
        )
        for name, network in GENERATORS.items()
    ]
    rows += [Listed(kind, every, *said) for kind, said in _OTHERS.items()]
    rows += [
        Listed(name, prior.tasks, prior.source, prior.equation, f"--prior {name}") for name, prior in PRIORS.items()
    ]
    return rows


def _summary(thing: type) -> str:
    """The first sentence of its docstring."""
    return " ".join((thing.__doc__ or thing.__name__).split("\n\n")[0].split()).rstrip(".")
