"""The two sides of Eq. 5 as they meet: a measurement, and a prior's picture of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bigprior.budget import kept
from bigprior.degradations import Measurement
from bigprior.fusion import Fusion, fuse_in_frame, fuse_pixels
from bigprior.phi import PhiNetwork
from bigprior.priors.hints import wholly_known


def told(network: PhiNetwork, m: Measurement) -> PhiNetwork:
    """The network as it weighs a measurement, of which some have to know how noise grows with light."""
    return network if m.degradation.stabilised is None or m.noise is None else network.told(m.noise.shot)


def asked(network: PhiNetwork, m: Measurement, rho: float | None) -> float | Tensor:
    """The weight of what is made up of a measurement, where ``rho`` was told, or nothing: some go by its noise."""
    noise = None if network.rho_at is None else m.noise  # which may have to be found
    return network.asked(rho, None if noise is None else noise.sigma)


@dataclass(frozen=True, eq=False)
class Sides:
    """What is weighed.

    Attributes:
        m: the measurement.
        plain: as priors and networks know such: ``m`` itself, but where a photograph has suffered more.
        shown: the prior's picture (N, 3, H, W) of ``plain``.
        prior: the same on the scale of ``m``.
        phi: (N, 1 or 3, H, W), where the measurement or the prior says it; None where a network has to.
    """

    m: Measurement
    plain: Measurement
    shown: Tensor
    prior: Tensor
    phi: Tensor | None

    @classmethod
    def of(cls, m: Measurement, plain: Measurement, shown: Tensor, said: Tensor | None) -> Sides:
        """A measurement and a prior's picture; ``said`` is the prior's own phi, if it has one."""
        phi, prior = said if m.known_phi is None else m.known_phi, m.degradation.as_measured(shown)
        if phi is not None and plain is not m and m.hole is not None:
            phi = torch.where(m.hole > 0, 1.0, phi)
        return cls(m, plain, shown, prior, phi)

    def __getitem__(self, pictures: slice) -> Sides:
        """Those of some of the pictures."""
        m = self.m[pictures]
        plain = m if self.plain is self.m else self.plain[pictures]
        phi = None if self.phi is None else self.phi[pictures]
        return Sides(m, plain, self.shown[pictures], self.prior[pictures], phi)

    def fused(self, network: PhiNetwork | None, rho: float | None, instead: Tensor | None = None) -> Fusion:
        """The fusion as phi has it.

        Args:
            network: weighs where nobody says phi.
            rho: its weight of what is made up; by default its own.
            instead: of the fidelity term, (N, 3, H, W), with phi as that has it.
        """
        m, flawed = self.m, self.plain is not self.m
        if m.degradation.weighs:
            return m.degradation.terms(m.y, self.prior, m.noise, rho or 0.0)
        fidelity = m.fidelity if instead is None else instead
        if self.phi is not None:
            return fuse_pixels(fidelity, self.prior, self.phi)
        assert network is not None
        fused = fuse_in_frame(
            told(network, m),
            fidelity,
            self.prior,
            rho=asked(network, self.plain, rho),
            measured=m.degradation.measured,
            lost=m.hole if flawed else None,
            seen=(self.plain.fidelity, self.shown) if flawed or instead is not None else None,
        )
        return fused if (known := wholly_known(m)) is None else kept(fused, fidelity, known)

    def through(self, network: PhiNetwork | None, rho: float | None, fused: Fusion, part: Tensor) -> Tensor:
        """What of ``fused.measured`` comes from a part of the measurement (N, C, H, W): the fidelity term is linear."""
        if self.m.degradation.weighs:
            return self.m.degradation.terms(part, self.prior, self.m.noise, rho or 0.0).measured
        whole = self.m.fidelity
        rest = self.fused(network, rho, whole - self.m.degradation.g_inv(part))
        return fused.measured - rest.measured
