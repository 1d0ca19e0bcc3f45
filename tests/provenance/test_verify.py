"""What is checked of a restoration, and that nothing that was tampered with passes."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from bigprior.io.layers import read_layers, write_layers
from bigprior.io.pictures import read_picture, write_picture
from bigprior.jobs import Job, run
from bigprior.phi import ConstantPhi
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.provenance.loading import load
from bigprior.provenance.verify import CHECKS, verify
from bigprior.report.output import Output
from bigprior.report.record import digest_of, sha256_of
from bigprior.restorer import Restorer

RECORD = "restoration.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a photograph, a mask, and results of a restoration; and that."""
    place = tmp_path_factory.mktemp("made")
    rng = torch.Generator().manual_seed(1)
    write_picture(place / "photo.png", torch.rand(1, 3, 20, 24, generator=rng))
    known = torch.ones(1, 1, 20, 24)
    known[:, :, 6:12, 8:16] = 0
    write_picture(place / "mask.png", known)
    restorer = Restorer(PrecomputedPrior(torch.rand(1, 3, 20, 24, generator=rng)), ConstantPhi(0.5))
    settings = {"mask": place / "mask.png"}
    job = Job(place / "photo.png", "inpainting", settings, place / "out", output=Output(layers="float"))
    return place, run(job, restorer)


@pytest.fixture
def copy(made, tmp_path):
    """Those results, to change."""
    return shutil.copytree(made[0], tmp_path / "copy")


def record(folder, change=None, sealed=True):
    """The record of a folder, once something of it was changed; hashes and digest fit again, if ``sealed``."""
    values = json.loads((folder / RECORD).read_text())
    if change is not None:
        change(values)
    if sealed:
        values["files"] = {path.name: sha256_of(path) for path in folder.iterdir() if path.name != RECORD}
        values["digest"] = digest_of(values)
    (folder / RECORD).write_text(json.dumps(values))


def repaint(path, where, value):
    picture = np.asarray(Image.open(path)).copy()
    picture[where] = value
    Image.fromarray(picture).save(path)


def relayer(folder, change):
    layers = {name: layer.clone() for name, layer in read_layers(folder / "layers.tif").items()}
    layers = change(layers) or layers
    write_layers(folder / "layers.tif", layers)


def swap_terms(layers):
    layers["measured"], layers["hallucinated"] = layers["hallucinated"], layers["measured"]
    layers["fidelity"], layers["prior"] = layers["prior"], layers["fidelity"]
    layers["phi"] = 1 - layers["phi"]


def all_measured(layers):
    return layers | {"measured": layers["restored"], "hallucinated": torch.zeros_like(layers["restored"])}


def value(name, at, to):
    return lambda layers: layers[name].__setitem__(at, to)


def swapped_input(place):
    write_picture(place / "photo.png", 1 - read_picture(place / "photo.png").image)


def other_mask(place):
    repaint(place / "mask.png", (0, 0), 0)


def again_with(seed):
    """Stands for restoring again: another seed gives another picture."""
    truth = read_picture

    def restored(job, record, values):
        return truth(job.folder / "restored.png").image * (1 if job.seed == seed else 0.5)

    return restored


#: What is tampered with in a folder, the record made to fit again or not; and the check that names it.
TAMPERINGS = {
    "a pixel": (lambda out: repaint(out / "restored.png", (3, 3), 9), False, "files", "restored.png was changed"),
    "a pixel, and its hash": (
        lambda out: repaint(out / "restored.png", (8, 10), 0),
        True,
        "picture",
        "restored.png is not the layer 'restored'",
    ),
    "a known pixel, and all hashes": (
        lambda out: (relayer(out, lambda _: None), repaint(out / "restored.png", (0, 0), [0, 255, 0])),
        True,
        "agreement",
        "does not agree with the measurement",
    ),
    "a layer": (lambda out: relayer(out, value("prior", (0, 0, 1, 1), 0.5)), False, "files", "layers.tif was changed"),
    "a layer, and its hash": (
        lambda out: relayer(out, value("hallucinated", (0, 0, 7, 9), 0.9)),
        True,
        "sum",
        "measured + hallucinated is not restored",
    ),
    "phi outside [0, 1]": (lambda out: relayer(out, value("phi", (0, 0, 0, 0), 1.5)), True, "layers", "to 1.5"),
    "NaN": (lambda out: relayer(out, value("prior", (0, 0, 0, 0), torch.nan)), True, "layers", "NaN"),
    "a layer that is gone": (
        lambda out: relayer(out, lambda layers: {k: v for k, v in layers.items() if k != "prior"}),
        True,
        "layers",
        "no layer 'prior'",
    ),
    "a layer of another size": (
        lambda out: relayer(out, lambda layers: {**layers, "phi": layers["phi"][..., 1:]}),
        True,
        "layers",
        "is 23x20: expected 24x20",
    ),
    "what was measured and what was not": (lambda out: relayer(out, swap_terms), True, "fidelity", "what was measured"),
    "all of it as measured": (
        lambda out: relayer(out, all_measured),
        True,
        "terms",
        "'measured' is not what phi and the prior make it",
    ),
    "phi's picture": (lambda out: repaint(out / "phi.png", (slice(None), 0), 255), True, "phi", "phi.png is not"),
    "the number": (lambda out: record(out, lambda r: r.update(made_up=0.01), False), False, "digest", "was changed"),
    "the number, and the digest": (
        lambda out: record(out, lambda r: r.update(made_up=0.01)),
        True,
        "share",
        "1.0% is not what is made up",
    ),
    "another seed": (lambda out: record(out, lambda r: r.update(seed=5), False), False, "digest", "was changed"),
    "another seed, and the digest": (
        lambda out: record(out, lambda r: r.update(seed=5)),
        True,
        "again",
        "another picture",
    ),
    "the record's form": (lambda out: record(out, lambda r: r.pop("event")), True, "record", "event"),
    "a file that is gone": (lambda out: (out / "phi.png").unlink(), False, "files", "phi.png is missing"),
    "a file more": (lambda out: (out / "notes.txt").touch(), False, "files", "notes.txt is not of this restoration"),
    "the photograph": (lambda out: swapped_input(out.parent), False, "input", "photo.png is not the file"),
    "the mask": (lambda out: other_mask(out.parent), False, "fidelity", "its mask, mask.png, is not here"),
}


def test_what_was_saved_holds(copy):
    verdicts = verify(copy / "out", copy / "photo.png", again=again_with(0))
    others = {"signature", "chain"}
    assert {v.name for v in verdicts if v.holds} == set(CHECKS) - others, [v for v in verdicts if not v.holds]
    alone = {v.name: v.holds for v in verify(copy / "out" / "restored.png", copy / "photo.png")}
    assert alone["files"] and alone["agreement"] and alone["sum"] is None and False not in alone.values()


@pytest.mark.parametrize("what", TAMPERINGS)
def test_what_was_tampered_with_is_named(copy, what):
    tamper, sealed, name, said = TAMPERINGS[what]
    tamper(copy / "out")
    if sealed:
        record(copy / "out")
    verdicts = {v.name: v for v in verify(copy / "out", copy / "photo.png", again=again_with(0))}
    assert verdicts[name].holds is False and said in verdicts[name].said, verdicts


def test_there_are_enough_tamperings_and_each_check_has_one():
    assert len(TAMPERINGS) >= 12
    # Of which test_credentials is, and test_verify_operators.
    assert {name for _, _, name, _ in TAMPERINGS.values()} == set(CHECKS) - {"signature", "chain"}


def test_the_folder_gives_the_restoration_back(made):
    place, result = made
    loaded = load(place / "out")
    assert loaded.measurement.shape == result.measurement.shape and torch.equal(loaded.restored, result.restored)
    assert loaded == result and torch.equal(loaded.bands[0], result.bands[0])
    assert float(loaded.kinds.get("pixel", loaded.share)) == pytest.approx(result.mean_share)


def test_the_program_says_a_line_for_each_check(copy, program):
    code, out, err = program("verify", copy / "out", "--measurement", copy / "photo.png")
    assert code == 0 and err == "" and len(out.splitlines()) == len(CHECKS) and "FAIL" not in out
    repaint(copy / "out" / "restored.png", (3, 3), 9)
    code, out, err = program("verify", copy / "out", "--measurement", copy / "photo.png")
    assert code == 1 and "FAIL files: restored.png was changed" in out
    assert "out fails: " in err and err.count("\n") == 1
    assert program("-q", "verify", copy / "out", "--measurement", copy / "photo.png") == (1, "", err)
    (copy / "elsewhere").mkdir()
    shutil.move(copy / "mask.png", copy / "elsewhere" / "m.png")
    for more, fails in (([], True), (["--with", copy / "elsewhere" / "m.png"], False)):
        out = program("verify", copy / "out", "--measurement", copy / "photo.png", *more)[1]
        assert ("FAIL fidelity" in out) == fails
    for place, said in ((copy, "holds no restoration.json"), (copy / "none", "pass a folder of results")):
        code, _, err = program("verify", place)
        assert code == 2 and said in err and err.count("\n") == 1
