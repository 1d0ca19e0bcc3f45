"""``restoration.json``: how a restoration was made, of what, and the hash of every file that came of it.

The form is published as a JSON schema, ``docs/reference/restoration.schema.json``, of which :class:`Record` is the
source. Another package's degradation can add fields of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bigprior.errors import ImageError
from bigprior.report.output import RECORD

#: The version of its form.
SCHEMA = "bigprior-restoration/1"
_Sha256 = Field(pattern="^[0-9a-f]{64}$")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Part):
    """A file that was read.

    Attributes:
        name: of the file, without its folder, which is nobody else's business.
        sha256: of its bytes.
        bytes: how many.
        page: of a file of several, from 1 on.
    """

    name: str
    sha256: str = _Sha256
    bytes: int = Field(ge=0)
    page: int | None = None


class Agreement(_Part):
    """How far ``f`` of the restored picture, clipped to [0, 1], is from the measurement, on the scale of [0, 1].

    Attributes:
        rms: root mean square of the difference.
        max: the largest.
    """

    rms: float = Field(ge=0)
    max: float = Field(ge=0)


class Layers(_Part):
    """The layers' own file.

    Attributes:
        file: its name.
        kept: ``float``, 32 bits; or ``half``, 16.
    """

    file: str
    kept: Literal["float", "half"]


class Credentials(_Part):
    """What was signed.

    Attributes:
        file: its name.
        certificate: SHA-256 of the signer's certificate, in DER.
    """

    file: str
    certificate: str = _Sha256


class ChainStep(_Part):
    """One restoration of several, in order.

    Attributes:
        folder: of its own results, in this folder.
        task: its degradation's name.
        settings: of the degradation, as in ``settings_of_task``.
        made_up: what it made up of what it was given, in [0, 1].
        total: what of its picture is made up, with what those before it had made up and it kept.
    """

    folder: str
    task: str
    settings: dict[str, Any]
    made_up: float = Field(ge=0, le=1)
    total: float = Field(ge=0, le=1)


class Event(_Part):
    """What happened, in the terms of PREMIS 3.0 (an event, its agent and its objects).

    Attributes:
        type: ``eventType``.
        date_time: ``eventDateTime``, UTC; ``SOURCE_DATE_EPOCH`` takes its place.
        detail: ``eventDetail``: the task.
        outcome: ``eventOutcome``.
        agent: ``linkingAgentIdentifierValue``: the program and its version.
        source: ``linkingObjectIdentifierValue`` in the role of a source: the input's hash.
    """

    type: Literal["restoration", "audit", "recomposition"] = "restoration"
    date_time: str
    detail: str
    outcome: Literal["success"] = "success"
    agent: str
    source: str | None = None


class Record(BaseModel):
    """A restoration's record.

    Attributes:
        form: ``schema``, the version of this form.
        task: the degradation's name.
        width, height: of the restored picture, in pixels.
        made_up: of its variance, what is made up, in [0, 1]: the number that every report says.
        made_up_of: the same of each kind of the frame's bands alone.
        bound: what is certified of the error or of the share; null where nothing is.
        capped: what was kept from being made up though phi asked for it, and why; null where nothing was.
        seed: of the prior's start.
        frame: what was fused.
        input: the photograph.
        settings_of_task: the degradation's settings; files among them as ``{"file": Source}``.
        measurement_channels: of ``y``, where it can be had back from the fidelity term.
        measurement_shape: of ``y``, (C, h, w); null in records from before there was any that is no picture.
        bands: shapes of ``phi``, band by band of the frame, (C, h, w).
        credentials: the file that carries content credentials, and the certificate's hash; null without.
        agreement: of the restored picture with the measurement; null where nobody can say.
        chain: the restorations that this one is made of; empty where it is one.
        layers: the file of the layers, and how exactly it keeps them; null without such a file.
        files: each file's SHA-256, by its name.
        versions: of the program and of what it computes with.
        event: what happened, in PREMIS's terms.
        digest: SHA-256 of all other fields, as :func:`digest_of` has them.
    """

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, title="bigprior restoration")

    form: Literal["bigprior-restoration/1"] = Field(alias="schema")
    task: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    made_up: float = Field(ge=0, le=1)
    made_up_of: dict[str, float] = Field(default_factory=dict)
    bound: dict[str, Any] | None = None
    capped: dict[str, Any] | None = None
    seed: int | None = None
    frame: str | None = None
    input: Source | None = None
    settings_of_task: dict[str, Any] = Field(default_factory=dict)
    measurement_channels: int | None = None
    measurement_shape: list[int] | None = None
    bands: list[list[int]] = Field(default_factory=list)
    credentials: Credentials | None = None
    agreement: Agreement | None = None
    chain: list[ChainStep] = Field(default_factory=list)
    layers: Layers | None = None
    files: dict[str, str]
    versions: dict[str, str]
    event: Event
    digest: str = _Sha256


#: Fields that saving adds to what a restorer says; all others are a restoration's ``provenance``.
ADDED = frozenset(Record.model_fields) - {"form", "task", "seed", "frame"} | {"schema", "samples"}


def schema() -> dict[str, Any]:
    """The JSON schema of the record."""
    made = Record.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | made


def source_of(path: Path, page: int | None = None) -> Source:
    """A file as the record names it.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        return Source(name=path.name, sha256=sha256_of(path), bytes=path.stat().st_size, page=page)
    except OSError as error:
        raise ImageError(f"cannot read {path} ({error.strerror}): check its name and permissions") from error


def settings_said(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A degradation's settings as JSON holds them: a file by its name and hash."""
    plain = {name: value for name, value in settings.items() if value is not None}
    return {
        name: {"file": source_of(value).model_dump()} if isinstance(value, Path) else value
        for name, value in plain.items()
    }


def sha256_of(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(values: Mapping[str, Any]) -> str:
    """SHA-256 of a record's fields but for ``digest``: as JSON in UTF-8, sorted by name, without spaces."""
    rest = {name: value for name, value in values.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sealed(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A record with the hash of every file in a folder, with its event, and with its own digest.

    Args:
        values: all else that it says; ``event`` among them is the type of what happened, if it was no restoration.
        folder: the results, all of them written.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    when = datetime.now(UTC) if epoch is None else datetime.fromtimestamp(int(epoch), UTC)
    source = values.get("input")
    happened = Event(
        type=values.get("event", "restoration"),
        date_time=when.isoformat(timespec="seconds"),
        detail=str(values["task"]),
        agent=f"bigprior {values['versions']['bigprior']}",
        source=source["sha256"] if source else None,
    )
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file() and path.name != RECORD}
    said = {"schema": SCHEMA, **values, "files": files, "event": happened.model_dump()}
    said = json.loads(json.dumps(said))  # tuples are lists before they are hashed
    return {**said, "digest": digest_of(said)}


def read_values(folder: Path) -> dict[str, Any]:
    """The fields of the record in a folder, as they stand there.

    Raises:
        ImageError: no record, or no JSON.
    """
    path = folder / RECORD
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ImageError(f"{folder} holds no {RECORD}: pass a folder of results") from error
    except (OSError, ValueError) as error:
        raise ImageError(f"{path} is no record ({' '.join(str(error).split())}): expected JSON") from error
    if not isinstance(values, dict):
        raise ImageError(f"{path} is no record: expected a JSON object")
    return values


def checked(values: Mapping[str, Any]) -> Record:
    """A record's fields, if they are of the published form.

    Raises:
        ImageError: they are not.
    """
    try:
        return Record.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise ImageError(f"the record's {name} is not of the form {SCHEMA}: {first['msg']}") from error
