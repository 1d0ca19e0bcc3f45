"""What is installed, what works, and how fast this machine is. No check ends the others, whatever it meets."""

from __future__ import annotations

import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any, Literal

from bigprior import DEFAULT_PRESET, DEFAULT_TASK

#: What those need who work on bigprior itself.
_DEVELOPERS = ("dev", "docs")
#: Side of the picture that speed is measured with, in pixels, and how long it is measured.
_SIDE, _SECONDS = 256, 3.0


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        part: ``python``, ``package``, ``extra``, ``preset``, ``device`` or ``speed``.
        name: of what was looked at.
        state: ``ok``; ``missing``, which nothing else needs; or ``broken``, without which something fails.
        said: what it is.
        advice: what to do, if there is something to do.
        figures: the same in numbers.
    """

    part: str
    name: str
    state: Literal["ok", "missing", "broken"]
    said: str
    advice: str | None = None
    figures: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def examine(*, speed: bool = True) -> Iterator[Finding]:
    """Everything, in the order in which a person would look.

    Args:
        speed: also measure how fast the default preset is, which takes a few seconds.
    """
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "package": _packages,
        "device": _devices,
        "extra": _extras,
        "preset": _presets,
    }
    if speed:
        checks["speed"] = _speed
    yield Finding("python", "python", "ok", f"{platform.python_version()}, {platform.system()} {platform.machine()}")
    for part, check in checks.items():
        try:
            yield from check()
        except (Exception, SystemExit) as error:  # whatever is wrong with an installation is what is looked for
            said = " ".join(f"{type(error).__name__}: {error}".split())
            yield Finding(part, part, "broken", said, _mend(error))


def _mend(error: BaseException) -> str:
    if isinstance(error, ImportError):
        return "pip install --force-reinstall " + (error.name or "bigprior").split(".")[0]
    return "see the message; `bigprior -v doctor` says more of warnings"


def _needs() -> dict[str, list[str]]:
    """The packages that bigprior says it needs, by extra; those of no extra are needed always."""
    found: dict[str, list[str]] = {"": []}
    for line in requires("bigprior") or ():
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
        name = re.match(r"[A-Za-z0-9._-]+", line)
        if name is not None:
            found.setdefault(extra[1] if extra else "", []).append(name[0])
    return found


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _packages() -> Iterator[Finding]:
    own = _installed("bigprior")
    if own is None:
        yield Finding("package", "bigprior", "broken", "not installed as a package", "pip install bigprior")
        return
    yield Finding("package", "bigprior", "ok", own)
    for name in _needs()[""]:
        there = _installed(name)
        if there is None:
            yield Finding("package", name, "broken", "not installed", f"pip install {name}")
        else:
            yield Finding("package", name, "ok", there)


def _extras() -> Iterator[Finding]:
    for extra, names in _needs().items():
        if not extra or extra in _DEVELOPERS:
            continue
        there = {name: _installed(name) for name in names}
        lacking = [name for name, found in there.items() if found is None]
        if lacking:
            said = f"without {', '.join(lacking)}"
            yield Finding("extra", extra, "missing", said, f"pip install 'bigprior[{extra}]', if you want it")
        else:
            yield Finding("extra", extra, "ok", ", ".join(f"{name} {found}" for name, found in there.items()))


def _devices() -> Iterator[Finding]:
    import torch

    threads, cores = torch.get_num_threads(), os.cpu_count()
    said = (
        f"{threads} threads of {cores} processors; waiting threads {os.environ.get('OMP_WAIT_POLICY', 'spin').lower()}"
    )
    yield Finding("device", "cpu", "ok", said, figures={"threads": threads, "processors": cores})
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        said = f"{properties.name}, {properties.total_memory / 2**30:.0f} GB"
        yield Finding("device", f"cuda:{index}", "ok", said, "--device cuda computes there" if not index else None)
    if torch.backends.mps.is_available():
        yield Finding("device", "mps", "ok", "Apple's", "--device mps computes there")


def _presets() -> Iterator[Finding]:
    from bigprior.degradations import DEGRADATIONS
    from bigprior.errors import BigpriorError
    from bigprior.io.embedded import ADVICE, PRESETS, TRUNK, embedded_path
    from bigprior.presets.calibrations import calibration_path
    from bigprior.presets.store import part_path, preset, preset_names

    if embedded_path(PRESETS) is None or embedded_path(TRUNK) is None:
        yield Finding("preset", DEFAULT_PRESET, "broken", "the embedded weights are not installed", ADVICE)
    for name in preset_names():
        try:
            parts = preset(name).sha256
            for part in parts:
                part_path(name, part)
            bounded = [task for task in DEGRADATIONS if calibration_path(name, task).is_file()]
        except BigpriorError as error:
            yield Finding("preset", name, "broken", str(error), "install or import it again")
            continue
        said = f"{len(parts)} files, as their hashes say; bounds: {', '.join(bounded) or 'none'}"
        yield Finding("preset", name, "ok", said, figures={"parts": len(parts), "bounds": bounded})


def _speed() -> Iterator[Finding]:
    """Megapixels a second: a picture's size over the median time of its restorations, after the first."""
    import torch

    from bigprior.degradations import DEGRADATIONS
    from bigprior.degradations.simulation import simulate
    from bigprior.errors import BigpriorError
    from bigprior.presets.loading import load_restorer

    x = torch.rand(1, 3, _SIDE, _SIDE, generator=torch.Generator().manual_seed(0))
    y, physics = simulate(next(iter(DEGRADATIONS[DEFAULT_TASK].protocols)), x, ["0"])
    try:
        restorer = load_restorer(DEFAULT_PRESET, DEFAULT_TASK)
        restorer.restore(y, physics)
        times, began = list[float](), time.perf_counter()
        while not times or time.perf_counter() - began < _SECONDS:
            start = time.perf_counter()
            restorer.restore(y, physics)
            times.append(time.perf_counter() - start)
    except BigpriorError as error:
        yield Finding("speed", DEFAULT_TASK, "broken", str(error), "mend what stands above")
        return
    seconds = statistics.median(times)
    rate = _SIDE**2 / 1e6 / seconds
    said = f"{rate:.3g} megapixels/s on cpu by {DEFAULT_PRESET}: 12 megapixels take {12 / rate:.0f} s"
    yield Finding(
        "speed", DEFAULT_TASK, "ok", said, figures={"megapixels_per_second": rate, "restorations": len(times)}
    )
