"""The list of every kind of prior."""

from bigprior.degradations import DEGRADATIONS
from bigprior.networks.generators import GENERATORS
from bigprior.priors.catalogue import catalogue
from bigprior.priors.named import PRIORS


def test_every_kind_has_its_row() -> None:
    rows = {row.kind: row for row in catalogue()}
    assert rows.keys() >= {*GENERATORS, *PRIORS, "diffusion", "feed-forward", "function", "precomputed"}
    assert len(rows) == len(catalogue())
    for row in rows.values():
        assert row.source and row.equation and row.use
        assert row.tasks and set(row.tasks) <= set(DEGRADATIONS)
    assert rows["bm3d"].tasks == tuple(name for name in DEGRADATIONS if name == "denoising")
    assert "Eq. 11" in rows["pggan"].equation and "--prior wnnm" in rows["wnnm"].use
