"""One share for everything."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn


class ConstantPhi(nn.Module):
    """One share for everything, in any frame: 0 gives the fidelity term, 1 the prior."""

    kind: ClassVar[str] = "constant"

    def __init__(self, value: float = 0.5, frame: str = "pixel") -> None:
        super().__init__()
        self.settings: dict[str, Any] = {"value": value, "frame": frame}
        self.value, self.frame, self.receptive_radius = value, frame, 0
