"""What a table is measured on: known pictures with a measurement each, read or made one at a time."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from bigprior.degradations import Degradation
from bigprior.degradations.simulation import noise_level, protocols, rng_of, simulate
from bigprior.errors import ImageError
from bigprior.io.arrays import as_picture, in_eight_bits, to_pil
from bigprior.io.folders import list_pictures
from bigprior.io.pictures import read_picture
from bigprior.ops.colour import ab_plane

#: Of pictures made of mosaics, what the field does not score on every side, in pixels.
_MOSAIC_BORDER = 10


@dataclass(frozen=True)
class Case:
    """A known picture and its measurement.

    Attributes:
        truth: (1, 3, H, W), RGB in [0, 1].
        y: its measurement.
        physics: how that came to be, as a restorer knows it.
        sigma: the noise level in [0, 1], for methods that know it; None where there is none.
    """

    truth: Tensor
    y: Tensor
    physics: Degradation
    sigma: float | None = None


@dataclass(frozen=True)
class Cases:
    """Pictures and what is done to each.

    Attributes:
        protocol: a name of what is done, that no other has.
        files: of the pictures.
        names: of the pictures: they seed what is random.
        make: a file and its name to a case.
        eight_bits: results are rounded to 8 bits before they are scored, as they would be saved.
        region: a part of a case's picture that is scored by itself too, by the name that those scores begin with, and
            where it is, (1, 1, H, W), 1 inside.
        border: so many pixels of every side are not scored.
        error: how wrong each pixel of a picture is beside the truth, both (1, 3, H, W), whose ranks are scored beside
            those of phi's map.
    """

    protocol: str
    files: Sequence[Path]
    names: Sequence[str]
    make: Callable[[Path, str], Case]
    eight_bits: bool = False
    region: tuple[str, Callable[[Case], Tensor]] | None = None
    border: int = 0
    error: Callable[[Tensor, Tensor], Tensor] | None = None

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.files)

    def __getitem__(self, i: int) -> Case:
        """The case of picture ``i``."""
        return self.make(self.files[i], self.names[i])


def simulated(protocol: str, data: Path, index: tuple[int, int] | None = None) -> Cases:
    """Pictures measured by a degradation's protocol.

    Raises:
        ImageError: no pictures.
        UnknownNameError: no such protocol.
    """
    files = list_pictures(data, index)

    def make(file: Path, name: str) -> Case:
        x = read_picture(file).image
        y, physics = simulate(protocol, x, [name])
        return Case(x, y, physics, noise_level(protocol, name) if physics.identity and physics.noisy else None)

    assert protocol in protocols()
    return Cases(protocol, files, [file.stem for file in files], make)


def white_noise(physics: Degradation, sigma: float, data: Path, index: tuple[int, int] | None = None) -> Cases:
    """White Gaussian noise of one level that is not clipped, of which a restorer is not told: the field's protocol.

    Args:
        physics: noise, as a restorer knows it.
        sigma: in [0, 1].
        data, index: the pictures.
    """
    files = list_pictures(data, index)

    def make(file: Path, name: str) -> Case:
        x = read_picture(file).image
        noise = torch.randn(x.shape, generator=rng_of(f"awgn-{255 * sigma:g}", name))
        return Case(x, x + sigma * noise, physics, sigma)

    return Cases(f"awgn-{255 * sigma:g}", files, [file.stem for file in files], make, eight_bits=True)


def counted(physics: Callable[[float], Degradation], peak: float, data: Path, index: tuple[int, int] | None) -> Cases:
    """Light counted in units, so many where a picture is white; not clipped, and told to all methods.

    Args:
        physics: of the gain, one over the peak.
        peak: the count of white.
        data, index: the pictures.
    """
    files = list_pictures(data, index)

    def make(file: Path, name: str) -> Case:
        x = read_picture(file).image
        counts = torch.poisson(peak * x, generator=rng_of(f"poisson-{peak:g}", name))
        return Case(x, counts / peak, physics(1 / peak))

    return Cases(f"poisson-{peak:g}", files, [file.stem for file in files], make, eight_bits=True)


def real_pairs(physics: Degradation, data: Path, index: tuple[int, int] | None = None) -> Cases:
    """Pairs of files that a camera made: ``NAME_real`` with its noise, and ``NAME_mean``, the mean of many shots.

    Raises:
        ImageError: no such pairs, or one without its other half.
    """
    files = list_pictures(data)
    means = {file.stem.removesuffix("_mean"): file for file in files if file.stem.endswith("_mean")}
    noisy = [file for file in files if file.stem.endswith("_real")]
    if not noisy:
        raise ImageError(f"{data} holds no pairs: expected NAME_real and NAME_mean pictures")
    noisy = noisy if index is None else noisy[index[0] : index[1] + 1]
    names = [file.stem.removesuffix("_real") for file in noisy]
    lost = next((name for name in names if name not in means), None)
    if lost is not None:
        raise ImageError(f"{data} holds {lost}_real but no {lost}_mean: expected both")

    def make(file: Path, name: str) -> Case:
        x, y = read_picture(means[name]).image, read_picture(file).image
        return Case(x, y, physics, float((y - x).square().mean().sqrt()))

    return Cases("real", noisy, names, make, eight_bits=True)


def holes(physics: type[Degradation], data: Path, index: tuple[int, int] | None = None) -> Cases:
    """Pictures of ``data/images`` with the holes, dark, of ``data/masks``, by their names.

    Args:
        physics: what is made of a mask.
        data, index: the pictures.

    Raises:
        ImageError: no such folders or pictures, or a picture without a mask.
    """
    files = list_pictures(data / "images", index)
    masks = {file.stem: file for file in list_pictures(data / "masks")}
    lost = next((file.stem for file in files if file.stem not in masks), None)
    if lost is not None:
        raise ImageError(f"{data / 'masks'} holds no mask called {lost}: expected one for each picture of images")

    def make(file: Path, name: str) -> Case:
        x, lossy = read_picture(file).image, physics.from_settings({"mask": masks[name], "invert": False})
        return Case(x, lossy.f(lossy.check(x)), lossy)

    def hole(case: Case) -> Tensor:
        where = case.physics.measure(case.y).hole
        assert where is not None
        return where

    return Cases("holes", files, [file.stem for file in files], make, eight_bits=True, region=("hole", hole))


def greys(physics: Degradation, data: Path, index: tuple[int, int] | None = None) -> Cases:
    """Pictures whose colours were lost, as files of 8 bits hold what is left; errors are distances in the ab plane."""
    files = list_pictures(data, index)

    def make(file: Path, name: str) -> Case:
        x = read_picture(file).image
        return Case(x, in_eight_bits(physics.f(x)), physics)

    def error(image: Tensor, truth: Tensor) -> Tensor:
        distance: Tensor = (ab_plane(image) - ab_plane(truth)).norm(dim=1)
        return distance

    return Cases("colours", files, [file.stem for file in files], make, eight_bits=True, error=error)


def smaller(physics: Degradation, factor: int, data: Path, index: tuple[int, int] | None = None) -> Cases:
    """Pictures made smaller and rounded to 8 bits; what is over at the right and below is cut before: the field's way.

    Args:
        physics: how they were made smaller.
        factor: how many times, by which the border that is not scored is as wide.
        data, index: the pictures.
    """
    files = list_pictures(data, index)

    def make(file: Path, name: str) -> Case:
        x = read_picture(file).image
        x = x[..., : x.shape[2] // factor * factor, : x.shape[3] // factor * factor]
        return Case(x, in_eight_bits(physics.f(x)), physics)

    return Cases(f"smaller-{factor}", files, [file.stem for file in files], make, eight_bits=True, border=factor)


def mosaics(physics: Degradation, sigma: float, data: Path, index: tuple[int, int] | None = None) -> Cases:
    """Pictures of which a sensor measured one colour a pixel, with white noise that is not clipped and is told.

    Args:
        physics: the sensor's pattern, and the noise.
        sigma: of the noise, in [0, 1].
        data, index: the pictures.
    """
    files = list_pictures(data, index)

    def make(file: Path, name: str) -> Case:
        x = read_picture(file).image
        y = physics.f(x)
        return Case(x, y + sigma * torch.randn(y.shape, generator=rng_of(f"mosaic-{255 * sigma:g}", name)), physics)

    names = [file.stem for file in files]
    return Cases(f"mosaic-{255 * sigma:g}", files, names, make, eight_bits=True, border=_MOSAIC_BORDER)


def blurred(physics: Sequence[Degradation], sigma: float, data: Path, index: tuple[int, int] | None = None) -> Cases:
    """Every picture blurred in each of several ways, with white noise that is not clipped and is told.

    Args:
        physics: the ways.
        sigma: in [0, 1].
        data, index: the pictures.
    """
    found = list_pictures(data, index)
    files = [file for file in found for _ in physics]
    names = [f"{file.stem}-{i}" for file in found for i in range(len(physics))]

    def make(file: Path, name: str) -> Case:
        x, one = read_picture(file).image, physics[int(name.rpartition("-")[2])]
        noise = torch.randn(x.shape, generator=rng_of(f"blurred-{255 * sigma:g}", name))
        return Case(x, one.f(x) + sigma * noise, one, sigma)

    return Cases(f"blurred-{255 * sigma:g}", files, names, make, eight_bits=True)


def jpeg(physics: Degradation, quality: int, data: Path, index: tuple[int, int] | None = None) -> Cases:
    """Pictures through a JPEG file of a quality, 4:2:0, decoded; what it did to them is not told."""
    files = list_pictures(data, index)

    def make(file: Path, name: str) -> Case:
        x, stored = read_picture(file).image, io.BytesIO()
        to_pil(x).save(stored, "JPEG", quality=quality)
        y = as_picture(Image.open(stored).convert("RGB"))
        return Case(x, y, physics, float((y - x).square().mean().sqrt()))

    return Cases(f"jpeg-{quality}", files, [file.stem for file in files], make, eight_bits=True)


def digest_of(case: Case) -> str:
    """SHA-256 of the known picture and its measurement."""
    digest = hashlib.sha256(case.truth.numpy().tobytes())
    digest.update(case.y.contiguous().numpy().tobytes())
    return digest.hexdigest()
