"""A cluster of this machine: what one process does, whoever dies meanwhile."""

import _thread
import io
import json
import os
import signal
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bigprior.batch.engines import Chunk, here, on_ray
from bigprior.batch.inputs import Item, found
from bigprior.batch.manifest import Row
from bigprior.batch.running import run_batch
from bigprior.batch.work import Plan
from bigprior.errors import OutputError, SettingsError
from bigprior.io.pictures import write_picture
from bigprior.report.output import Output
from bigprior.report.record import sha256_of

MADE = Output(only=("restored",), format="png")


class Loaded:
    """Loads a restorer of a picture of the prior's; a file that is there is of the process that is to be killed."""

    def __init__(self, lives: Path | None = None) -> None:
        self.lives = lives

    def __call__(self, prior: Path | None) -> object:
        import bigprior
        from bigprior.phi import ConstantPhi
        from bigprior.priors.precomputed import PrecomputedPrior

        if self.lives is not None:
            (self.lives / str(os.getpid())).touch()
        rng = torch.Generator().manual_seed(5)
        return bigprior.Restorer(PrecomputedPrior(torch.rand(1, 3, 16, 18, generator=rng)), ConstantPhi(0.25))


def settings(photo: Path) -> dict[str, object]:
    return {"sigma": 20, "impulses": False, "banding": False}


class Deadly:
    """Settings at which a process dies where the photo's name says so."""

    def __call__(self, photo: Path) -> dict[str, object]:
        if "deadly" in photo.name:
            os.kill(os.getpid(), signal.SIGKILL)
        return settings(photo)


@pytest.fixture(autouse=True)
def _same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for i in range(20):
        write_picture(tmp_path / "photos" / str(i % 2) / f"{i:02d}.png", torch.rand(1, 3, 16, 18))
    return tmp_path / "photos"


def plan(folder: Path | str, **changes: object) -> Plan:
    if isinstance(folder, Path):
        folder.mkdir(exist_ok=True)
    own: dict[str, object] = {"settings_of": settings, "load": Loaded(), "prior": None, "how": "test"} | changes
    return Plan("denoising", asked={"output": MADE}, folder=folder, **own)  # type: ignore[arg-type]


class Watched:
    """Interrupts a test in which no picture has been done for so long that none will be, on however slow a machine."""

    def __init__(self, idle_s: float = 600) -> None:
        self.idle_s, self.last, self.over = idle_s, time.monotonic(), threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self.over.wait(1):
            if time.monotonic() - self.last > self.idle_s:
                _thread.interrupt_main()
                return

    def heard(self, row: Row, done: int, total: int) -> None:
        self.last = time.monotonic()

    def __enter__(self) -> "Watched":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.thread.join()


def hashes(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("manifest"))
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}


def test_shards_of_a_webdataset(photos: Path, tmp_path: Path) -> None:
    items = found([str(photos)])
    (photos / "0" / "02.png").write_text("no picture")
    made = plan(tmp_path / "tars", shard_size=8)
    outcome = run_batch(items, made, here, keep_going=True)
    assert len(outcome.rows) == 20 and [row.name for row in outcome.failed] == ["0/02"]
    assert set(hashes(tmp_path / "tars")) == {f"shard-{i:06d}.tar" for i in range(3)}
    keys = []
    plain = run_batch(items, plan(tmp_path / "files"), here, keep_going=True)
    for shard in sorted((tmp_path / "tars").glob("*.tar")):
        with tarfile.open(shard) as tar:
            held = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
        for key in sorted({name.split(".")[0] for name in held}):
            keys.append(key)
            assert held[f"{key}.png"] == (tmp_path / "files" / f"{key}.png").read_bytes()
            with Image.open(io.BytesIO(held[f"{key}.phi.png"])) as phi:
                assert phi.size == (18, 16) and abs(np.asarray(phi) / 65535 - 0.25).max() < 1e-5
            assert json.loads(held[f"{key}.json"])["loss_weight"] == "1 - phi"
    assert keys == [row.name for row in plain.rows if row.error is None]

    before = hashes(tmp_path / "tars")
    write_picture(photos / "0" / "02.png", torch.rand(1, 3, 16, 18))
    outcome = run_batch(items, made, here, resume=True)  # that shard alone, whole
    assert not outcome.failed and outcome.before == 12 and len(outcome.rows) == 20
    lines = (tmp_path / "tars" / "manifest.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["name"] for line in lines) == [item.name for item in items]
    assert [name for name, digest in hashes(tmp_path / "tars").items() if before[name] != digest] == [
        "shard-000000.tar"
    ]
    with pytest.raises(OutputError, match="would have one key, a_b"):
        run_batch([Item("a.b.png", "a.b"), Item("a_b.png", "a_b")], made, here)


def test_without_ray_it_is_said(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(SettingsError, match=r"pip install 'bigprior\[ray\]'"):
        on_ray(plan(tmp_path / "out"), [Chunk(())], print)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_two_workers_one_of_which_is_killed(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="no Ray here: pip install 'bigprior[ray]'")
    for i in range(20, 200):
        write_picture(photos / "more" / f"{i:03d}.png", torch.rand(1, 3, 16, 18))
    items, lives = found([str(photos)]), tmp_path / "lives"
    lives.mkdir()
    killed = list[int]()

    def heard(row: Row, done: int, total: int) -> None:
        watched.heard(row, done, total)
        if done >= 60 and not killed:
            killed.append(int(min(lives.iterdir()).name))
            os.kill(killed[0], signal.SIGKILL)

    def engine(plan: Plan, chunks: list[Chunk], done: object) -> None:
        on_ray(plan, chunks, done, workers=2)  # type: ignore[arg-type]

    with Watched() as watched:
        outcome = run_batch(items, plan(tmp_path / "out", load=Loaded(lives)), engine, heard=heard)
    assert killed and len(list(lives.iterdir())) == 3  # another has taken its place
    assert len(outcome.rows) == 200 and not outcome.failed
    lines = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["name"] for line in lines) == [item.name for item in items]
    run_batch(items, plan(tmp_path / "alone"), here)
    assert hashes(tmp_path / "out") == hashes(tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_picture_that_kills_whoever_takes_it_fails_alone(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="no Ray here: pip install 'bigprior[ray]'")
    write_picture(photos / "deadly.png", torch.rand(1, 3, 16, 18))

    def engine(plan: Plan, chunks: list[Chunk], done: object) -> None:
        on_ray(plan, chunks, done, workers=1)  # type: ignore[arg-type]

    with Watched() as watched:
        one = plan(tmp_path / "out", settings_of=Deadly())
        outcome = run_batch(found([str(photos)]), one, engine, keep_going=True, heard=watched.heard)
    assert [row.name for row in outcome.failed] == ["deadly"] and "processes died at it" in str(outcome.failed[0].error)
    assert len(outcome.rows) == 21
