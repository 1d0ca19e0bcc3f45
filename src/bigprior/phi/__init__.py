"""Networks that predict ``phi``, by name."""

from __future__ import annotations

from typing import Any

from torch import nn

from bigprior.errors import UnknownNameError
from bigprior.phi.bands import BandPhi
from bigprior.phi.constant import ConstantPhi
from bigprior.phi.dncnn import DnCNNPhi
from bigprior.phi.unet import UNetPhi

#: Every kind of phi network by name.
PHI_NETWORKS: dict[str, type[UNetPhi | DnCNNPhi | ConstantPhi | BandPhi]] = {
    c.kind: c for c in (UNetPhi, DnCNNPhi, ConstantPhi, BandPhi)
}


def phi_network(kind: str, **settings: Any) -> nn.Module:
    """Build the phi network called ``kind``.

    Raises:
        UnknownNameError: no such kind.
    """
    if kind not in PHI_NETWORKS:
        raise UnknownNameError("phi network", kind, list(PHI_NETWORKS))
    return PHI_NETWORKS[kind](**settings)


__all__ = ["PHI_NETWORKS", "BandPhi", "ConstantPhi", "DnCNNPhi", "UNetPhi", "phi_network"]
