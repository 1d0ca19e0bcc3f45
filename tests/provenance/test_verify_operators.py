"""What was tampered with is named where phi is known in closed form, and in restorations one after another."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from bigprior.chain import run_chain
from bigprior.io.arrays import to_pil
from bigprior.io.layers import read_layers, write_layers
from bigprior.io.pictures import write_picture
from bigprior.jobs import Job, run
from bigprior.phi import ConstantPhi
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.provenance.verify import verify
from bigprior.recipe import Recipe, Step
from bigprior.report.output import Output
from bigprior.report.record import digest_of, sha256_of
from bigprior.restorer import Restorer

RECORD = "restoration.json"
#: The photograph and the settings of each task.
TASKS = {
    "upscaling": ("small.png", {"factor": 2}),
    "deblurring": ("photo.png", {"gauss": 1.2}),
    "jpeg-compression": ("photo.jpg", {}),
    "poisson": ("photo.png", {"peak": 30}),
    "chain": ("photo.png", {}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of photographs, and a folder of each task's results."""
    place, rng = tmp_path_factory.mktemp("made"), torch.Generator().manual_seed(1)
    coarse = torch.rand(2, 3, 6, 6, generator=rng)
    x, other = torch.nn.functional.interpolate(coarse, size=(32, 48), mode="bicubic").clamp(0.05, 0.95).split(1)
    write_picture(place / "photo.png", (x + 0.02 * torch.randn(x.shape, generator=rng)).clamp(0, 1))
    write_picture(place / "small.png", torch.nn.functional.interpolate(x, size=(16, 24), mode="area"))
    to_pil(x).save(place / "photo.jpg", quality=30)
    restorer, output = Restorer(PrecomputedPrior(0.5 * x + 0.5 * other), ConstantPhi(0.3)), Output(layers="float")
    for task, (photo, settings) in TASKS.items():
        if task == "chain":
            steps = Step(task="denoise", settings={"sigma": 9}), Step(task="deblur", settings={"gauss": 1.0})
            run_chain(place / photo, Recipe(step=steps), place / task, [restorer, restorer], output=output)
        elif task != "jpeg-compression" or _has_jpeglib():
            run(Job(place / photo, task, settings, place / task, output=output), restorer)
    return place


def _has_jpeglib():
    try:
        import jpeglib  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.fixture
def results(made, tmp_path):
    """A task's results, to change, and its photograph."""

    def copied(task):
        if not (made / task).exists():
            pytest.skip("jpeglib is not installed")
        return shutil.copytree(made / task, tmp_path / task), made / TASKS[task][0]

    return copied


def seal(folder, change=None):
    values = json.loads((folder / RECORD).read_text())
    if change is not None:
        change(values)
    values["files"] = {p.name: sha256_of(p) for p in folder.iterdir() if p.is_file() and p.name != RECORD}
    values["digest"] = digest_of(values)
    (folder / RECORD).write_text(json.dumps(values))


def repaint(folder):
    path = next(path for path in folder.iterdir() if path.stem == "restored")
    picture = np.asarray(Image.open(path)).copy()
    picture[3:9, 3:9] = [0, 255, 0]
    Image.fromarray(picture).save(path)


def relayer(folder, change):
    layers = read_layers(folder / "layers.tif")
    write_layers(folder / "layers.tif", change({name: layer.clone() for name, layer in layers.items()}))


def all_measured(layers):
    return layers | {"measured": layers["restored"], "hallucinated": torch.zeros_like(layers["restored"])}


def swapped(layers):
    return layers | {"measured": layers["hallucinated"], "hallucinated": layers["measured"]}


#: What is done to a folder whose hashes then fit again, and the check that names it.
TAMPERINGS = {
    "the picture": (repaint, "picture"),
    "all of it as measured": (lambda out: relayer(out, all_measured), "terms"),
    "the terms": (lambda out: relayer(out, swapped), "terms"),
    "the prior": (lambda out: relayer(out, lambda layers: layers | {"prior": 0.5 * layers["prior"]}), "terms"),
    "phi": (lambda out: relayer(out, lambda layers: layers | {"phi": 0.5 * layers["phi"]}), "terms"),
    "the number": (lambda out: seal(out, lambda values: values.update(made_up=0.9)), "share"),
}
#: The same in the folder of a chain.
OF_CHAINS = {
    "the picture": (repaint, "picture"),
    "phi": (lambda out: relayer(out, lambda layers: layers | {"phi": 0.5 * layers["phi"]}), "chain"),
    "the number": (lambda out: seal(out, lambda values: values.update(made_up=0.01)), "chain"),
    "a step's picture": (lambda out: repaint(out / "1-denoising"), "chain"),
    "a step's number": (lambda out: seal(out / "1-denoising", lambda values: values.update(made_up=0.01)), "chain"),
    "both numbers": (
        lambda out: seal(out, lambda values: (values.update(made_up=0.01), values["chain"][-1].update(total=0.01))),
        "chain",
    ),
}


@pytest.mark.parametrize("task", TASKS)
def test_what_was_saved_holds(task, results):
    out, photo = results(task)
    verdicts = {v.name: v for v in verify(out, photo)}
    assert not [v for v in verdicts.values() if v.holds is False]
    assert verdicts["chain" if task == "chain" else "terms"].holds


@pytest.mark.parametrize("what", TAMPERINGS)
@pytest.mark.parametrize("task", [task for task in TASKS if task != "chain"])
def test_what_was_tampered_with_is_named(task, what, results):
    out, photo = results(task)
    tamper, check = TAMPERINGS[what]
    tamper(out)
    seal(out)
    assert {v.name: v.holds for v in verify(out, photo)}[check] is False


@pytest.mark.parametrize("what", OF_CHAINS)
def test_what_was_tampered_with_in_a_chain_is_named(what, results):
    out, photo = results("chain")
    tamper, check = OF_CHAINS[what]
    tamper(out)
    seal(out)
    assert {v.name: v.holds for v in verify(out, photo)}[check] is False
