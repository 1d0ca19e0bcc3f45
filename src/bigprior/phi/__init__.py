"""Networks that predict ``phi``, by name."""

from __future__ import annotations

from typing import Any

from bigprior.phi.bands import BandPhi
from bigprior.phi.base import PhiNetwork
from bigprior.phi.constant import ConstantPhi
from bigprior.phi.dncnn import DnCNNPhi
from bigprior.phi.means import MeansPhi
from bigprior.phi.unet import UNetPhi
from bigprior.registry import Registry

#: Every kind of phi network by name.
PHI_NETWORKS: Registry[type[PhiNetwork]] = Registry(
    "phi network", "bigprior.phi_networks", {c.kind: c for c in (UNetPhi, DnCNNPhi, ConstantPhi, BandPhi, MeansPhi)}
)


def phi_network(kind: str, **settings: Any) -> PhiNetwork:
    """Build the phi network called ``kind``.

    Raises:
        UnknownNameError: no such kind.
    """
    return PHI_NETWORKS[kind](**settings)


__all__ = ["PHI_NETWORKS", "BandPhi", "ConstantPhi", "DnCNNPhi", "MeansPhi", "PhiNetwork", "UNetPhi", "phi_network"]
