"""Whether a restoration is what its record says, checked by somebody who was not there.

Each check is a function of what there is to check, registered in :data:`CHECKS`, and says one line. A record without
credentials can be forged as a whole by whoever can write files: what then remains is that the layers sum to the
picture, that the picture agrees with the measurement, and that restoring again gives it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bigprior.chain import with_step
from bigprior.errors import BigpriorError, ImageError
from bigprior.fusion import Fusion, fuse_pixels
from bigprior.io.pictures import read_picture
from bigprior.jobs import agreement
from bigprior.provenance.evidence import Again, Evidence, off_by
from bigprior.provenance.loading import load
from bigprior.report.credentials import signature
from bigprior.report.output import RECORD
from bigprior.report.record import checked, digest_of, read_values, sha256_of

#: Half a step of 8 bits, and a little for rounding in single precision.
_HALF_STEP = 0.5 / 255 + 1e-5
#: How far from each other two computers solve the same equations.
_SOLVED = 1e-3
#: Formats that change every pixel a little.
_LOSSY = (".jpg", ".jpeg")


class Verdict(NamedTuple):
    """What a check found.

    Attributes:
        name: of the check.
        holds: whether it holds; None where there is nothing to check.
        said: what was found.
    """

    name: str
    holds: bool | None
    said: str


def _of_form(there: Evidence) -> str:
    there.record  # noqa: B018 (raises)
    return f"{RECORD} is of the form {there.record.form}"


def _digest(there: Evidence) -> str:
    if digest_of(there.values) != there.values.get("digest"):
        raise ImageError(f"{RECORD} was changed: its digest is that of other fields")
    return "the record is as it was written"


def _files(there: Evidence) -> str:
    listed = there.record.files
    if there.picture is not None:
        listed = {there.picture.name: listed[there.picture.name]}
    for name, expected in listed.items():
        path = there.folder / name
        if not path.is_file():
            raise ImageError(f"{name} is missing")
        if sha256_of(path) != expected:
            raise ImageError(f"{name} was changed: it has another hash than the record names")
    strays = {path.name for path in there.folder.iterdir()} - set(there.record.files) - {RECORD}
    strays -= {step.folder for step in there.record.chain}
    if there.picture is None and strays:
        raise ImageError(f"{min(strays)} is not of this restoration: the record does not name it")
    return f"{len(listed)} file{'s' * (len(listed) != 1)} with the hashes of the record"


def _input(there: Evidence) -> str | None:
    source = there.record.input
    if there.measurement is None or source is None:
        return None
    if not there.measurement.is_file():
        raise ImageError(f"no file {there.measurement}")
    if sha256_of(there.measurement) != source.sha256:
        raise ImageError(f"{there.measurement.name} is not the file that was restored, {source.name}: another hash")
    return f"{there.measurement.name} is the file that was restored"


def _layers(there: Evidence) -> str | None:
    return None if there.layers is None else "layers of one size, finite, phi in [0, 1]"


def _sum(there: Evidence) -> str | None:
    if there.layers is None or there.record.layers is None:
        return None
    off = there.layers["measured"] + there.layers["hallucinated"] - there.layers["restored"]
    exact = there.record.layers.kept == "float"
    if float(off.abs().max()) > (0 if exact else 2**-8 * max(1.0, float(there.layers["restored"].abs().max()))):
        raise ImageError(f"measured + hallucinated is not restored: off by up to {float(off.abs().max()):.3g}")
    return f"measured + hallucinated = restored, {'bit for bit' if exact else 'to half precision'}"


def _fidelity(there: Evidence) -> str | None:
    if there.layers is None or there.measurement is None or there.record.chain:
        return None
    _, degradation, y = there.measured
    off = float((degradation.measure(y).fidelity - there.layers["fidelity"]).abs().max())
    if off > there.tolerance(1e-6):
        raise ImageError(f"the layer 'fidelity' is not what was measured: off by up to {off:.3g}")
    return "the layer 'fidelity' is what was measured"


def _terms(there: Evidence) -> str | None:
    fused = _fused(there)
    if there.layers is None or fused is None:
        return None
    for name, term in (("measured", fused.measured), ("hallucinated", fused.hallucinated), ("phi", fused.phi)):
        off = float((there.layers[name] - term).abs().max())
        if off > there.tolerance(_SOLVED):
            raise ImageError(f"the layer '{name}' is not what phi and the prior make it: off by up to {off:.3g}")
    return "the layers are what phi and the prior make them"


def _fused(there: Evidence) -> Fusion | None:
    """Both terms of Eq. 5 once more, where a record and the layers say all that they are made of."""
    layers, said = there.layers, there.values
    if layers is None or there.record.chain or there.record.capped or {"linear", "impulses", "banding"} & set(said):
        return None
    if there.record.frame == "pixel":
        return fuse_pixels(layers["fidelity"], layers["prior"], layers["phi"])
    if there.measurement is None:
        return None
    _, degradation, y = there.measured
    if not degradation.weighs:
        return None
    noise = degradation.measure(y).noise
    noise = noise if noise is None else noise.times(float(said.get("strength", 1)))
    return degradation.terms(y, layers["prior"], noise, float(said.get("rho", 0)))


def _share(there: Evidence) -> str | None:
    fused = _fused(there)
    if fused is None:
        return None
    share = float(fused.share)
    if abs(share - there.record.made_up) > 1e-3:
        raise ImageError(f"{there.record.made_up:.1%} is not what is made up: the layers say {share:.1%}")
    return f"{share:.0%} made up, as the layers say"


def _chain(there: Evidence) -> str | None:
    if not there.record.chain or there.picture is not None:
        return None
    share, phi, steps = 0.0, None, there.record.chain
    for i, step in enumerate(steps, start=1):
        folder = there.folder / step.folder
        failed = next((found for found in verify(folder) if found.holds is False), None)
        if failed is not None:
            raise ImageError(f"step {i}, {step.folder}, {failed.name}: {failed.said}")
        if checked(read_values(folder)).layers is None:
            continue
        share, phi = with_step(done := load(folder), share, phi)
        for name, said, found in (("made up", step.made_up, done.mean_share), ("made up in all", step.total, share)):
            if abs(said - found) > 1e-3:
                raise ImageError(
                    f"step {i}, {step.folder}: {said:.1%} is not what is {name}: its layers say {found:.1%}"
                )
    if abs(steps[-1].total - there.record.made_up) > 1e-6:
        raise ImageError(f"{there.record.made_up:.1%} is not what is made up: the last step says {steps[-1].total:.1%}")
    if there.layers is not None and phi is not None:
        off = (
            float((there.layers["phi"] - phi).abs().max()),
            float((there.layers["restored"] - done.restored).abs().max()),
        )
        for name, far in zip(("phi", "restored"), off, strict=True):
            if far > there.tolerance(1e-4):
                raise ImageError(f"the layer '{name}' is not what the steps make it: off by up to {far:.3g}")
    return f"{len(steps)} steps hold, and make the whole"


def _picture(there: Evidence) -> str | None:
    if there.layers is None or there.restored is None or there.restored.suffix in _LOSSY:
        return None
    off = off_by(there.restored, there.layers["restored"])
    if off > there.tolerance(_HALF_STEP):
        raise ImageError(f"{there.restored.name} is not the layer 'restored': off by up to {off:.3g}")
    return f"{there.restored.name} is the layer 'restored', rounded"


def _phi(there: Evidence) -> str | None:
    if there.layers is None or "phi.png" not in there.record.files:
        return None
    off = off_by(there.folder / "phi.png", there.layers["phi"].mean(dim=1, keepdim=True))
    if off > there.tolerance(_HALF_STEP):
        raise ImageError(f"phi.png is not the layer 'phi': off by up to {off:.3g}")
    return "phi.png is the layer 'phi', rounded"


def _agreement(there: Evidence) -> str | None:
    said = there.record.agreement
    if said is None or there.measurement is None or there.restored is None:
        return None
    _, degradation, y = there.measured
    found = agreement(read_picture(there.restored).image, y, degradation)
    if found is None:
        return None
    rounding = _HALF_STEP if there.restored.suffix not in _LOSSY else 0.02
    if abs(found["rms"] - said.rms) > rounding or found["max"] > said.max + rounding * (1 + 20 * (rounding > 0.01)):
        came = f"f of it is off by {found['rms']:.4f} rms, {found['max']:.4f} at most"
        raise ImageError(f"{there.restored.name} does not agree with the measurement as the record says: {came}")
    return (
        f"f of {there.restored.name} is off the measurement by {255 * found['rms']:.2f} of 255 rms, as the record says"
    )


def _signature(there: Evidence) -> str | None:
    said = there.record.credentials
    if said is None or there.restored is None or said.file != there.restored.name:
        return None
    signer, claimed = signature(there.restored)
    if signer is None:
        raise ImageError(f"{there.restored.name} carries no credentials, though the record says so")
    if abs(claimed.get("made_up", -1) - there.record.made_up) > 1e-6 or claimed.get("task") != there.record.task:
        raise ImageError(f"{there.restored.name} was signed as {claimed.get('task')}, {claimed.get('made_up')} made up")
    return f"{there.restored.name} is signed by {signer}; whether you trust them is yours to say"


def _again(there: Evidence) -> str | None:
    if there.again is None or there.measurement is None or there.restored is None:
        return None
    off = off_by(there.restored, there.again(there.job, there.record, there.values))
    if off > (0.25 if there.restored.suffix in _LOSSY else _HALF_STEP + 1e-3):
        raise ImageError(f"restored again it is another picture: off by up to {off:.3g}")
    return "restored again it is the same picture"


#: Every check by its name, in the order in which they are made.
CHECKS: dict[str, Callable[[Evidence], str | None]] = {
    "record": _of_form,
    "digest": _digest,
    "files": _files,
    "input": _input,
    "layers": _layers,
    "sum": _sum,
    "fidelity": _fidelity,
    "terms": _terms,
    "share": _share,
    "chain": _chain,
    "picture": _picture,
    "phi": _phi,
    "agreement": _agreement,
    "signature": _signature,
    "again": _again,
}


def verify(
    place: Path | str,
    measurement: Path | str | None = None,
    *,
    others: Sequence[Path] = (),
    again: Again | None = None,
) -> list[Verdict]:
    """Check a folder of results, or one picture of it.

    Args:
        place: the folder, or a picture in it.
        measurement: the photograph that was restored.
        others: files that were read beside it, such as a mask; those in the folder, or beside the photograph under
            their old names, are found.
        again: see :class:`Evidence`.

    Returns:
        One verdict a check; nothing is wrong if none of them is False.

    Raises:
        ImageError: no such folder or picture, or no record beside it.
    """
    place = Path(place)
    folder, picture = (place, None) if place.is_dir() else (place.parent, place)
    if not place.exists():
        raise ImageError(f"no {place}: pass a folder of results, or a picture in one")
    if not (folder / RECORD).is_file():
        raise ImageError(f"{folder} holds no {RECORD}: pass a folder of results, or a picture in one")
    there = Evidence(folder, picture, None if measurement is None else Path(measurement), others, again)
    if picture is not None and picture.name not in there.values.get("files", {}):
        raise ImageError(f"the record beside {picture} does not name it: pass a folder of results, or a picture in one")
    return [_checked(name, check, there) for name, check in CHECKS.items()]


def _checked(name: str, check: Callable[[Evidence], str | None], there: Evidence) -> Verdict:
    try:
        said = check(there)
    except BigpriorError as error:
        return Verdict(name, False, str(error))
    return Verdict(name, None if said is None else True, said or "nothing to check")
