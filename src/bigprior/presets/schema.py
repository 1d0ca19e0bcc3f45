"""What a preset says of itself: ``preset.json``."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from bigprior.settings import Settings


class Preset(Settings):
    """A prior by name: which weights, their SHA-256, what they were trained on, under what terms, what they score.

    Attributes:
        kind: who builds it: a name in :data:`bigprior.priors.kinds.KINDS`.
        architecture: of its network.
        sha256: of each part, which is the file of that name.
        shared: embedded presets in whose folder a part lies, by the part, where it is not in the preset's own.
        settings: how the networks are asked, by task; a task without any uses the kind's own.
        scores: figures by name, each with the command that prints it in the model card.
    """

    name: str
    summary: str
    kind: str
    architecture: str
    licence: str
    trained_on: str
    images_seen: int = 0
    sha256: dict[str, str]
    shared: dict[str, str] = Field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    scores: dict[str, float] = Field(default_factory=dict)
