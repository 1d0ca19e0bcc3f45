"""The page in a real browser, and what follows a brush."""

import base64
import contextlib
import io
import json
import threading
import time
import urllib.request
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from bigprior.errors import ImageError, MaskError
from bigprior.io.pictures import read_picture, write_picture


def drawn(size, *boxes):
    """What a page sends: boxes (colour's number, top, bottom), in a PNG (height, width)."""
    from bigprior.app.painter import COLOURS

    layer = np.zeros((*size, 4), np.uint8)
    for brush, top, bottom in boxes:
        layer[top:bottom] = (*COLOURS[brush], 255)
    file = io.BytesIO()
    Image.fromarray(layer).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


@pytest.fixture
def session(desk, tmp_path):
    """``session(height, width)``: one with a picture that was restored."""
    from bigprior.app.asked import Asked
    from bigprior.app.session import Session

    def make(height, width, hole=None):
        photo = tmp_path / "photo.png"
        write_picture(photo, torch.rand(1, 3, height, width))
        one = Session(desk.place())
        one.begin(photo, (height, width))
        one.hole = hole
        one.done(desk.submit(Asked(), one.files(), one.folder / "results").result())
        return one

    return make


def test_strokes_are_read_at_the_pictures_own_size():
    from bigprior.app.painter import strokes

    keep, free = strokes(drawn((10, 20), (0, 0, 2), (1, 5, 10)), (40, 60))
    assert keep.shape == (40, 60) and keep[:8].all() and not keep[8:].any()
    assert free[20:].all() and not free[:20].any()
    for bad in ("", "data:image/png;base64,!!", "data:image/png;base64,AAAA", "/etc/passwd", None, drawn((5000, 1))):
        with pytest.raises(MaskError, match="paint it again"):
            strokes(bad, (4, 4))


def test_what_is_painted_is_followed_downloaded_and_undone(session):
    one = session(40, 60)
    free = one.result.restored
    result = one.paint(drawn((20, 30), (0, 0, 10)))
    assert torch.equal(result.restored[:, :, :20], result.fidelity[:, :, :20])
    assert torch.equal(result.restored[:, :, 20:], free[:, :, 20:])
    record = json.loads((one.saved("everything") / "restoration.json").read_text())
    assert record["capped"]["painted"]["kept"] == [0.5] and record["made_up"] == pytest.approx(result.mean_share)
    assert torch.equal(one.paint(drawn((20, 30))).restored, free)


@pytest.mark.parametrize("words", ["photons", "missing", "too small", "focus", "moved", "kernel", "JPEG"])
def test_what_can_be_wrong_is_restored_painted_and_downloaded(desk, words):
    """By what the page asks then: numbers, a kernel's file, the very bytes of a JPEG."""
    from bigprior.app.asked import Asked
    from bigprior.app.choices import CHOICES, QUESTIONS
    from bigprior.app.session import Session

    (choice,) = [choice for choice in CHOICES if words in choice.said]
    jpeg = choice.task == "jpeg-compression"
    if jpeg:
        pytest.importorskip("jpeglib", reason="no jpeglib here: pip install 'bigprior[jpeg]'")
    one = Session(desk.place())
    photo = one.folder / ("photo.jpg" if jpeg else "photo.png")
    write_picture(photo, torch.rand(1, 3, 30, 40, generator=torch.Generator().manual_seed(3)))
    one.begin(photo, (30, 40))
    one.hole = drawn((30, 40), (0, 10, 14))  # which says nothing where nobody asked for it
    if choice.kernel:
        with pytest.raises(ImageError, match="no kernel yet"):
            one.files(holes=False, kernel=True)
        one.kernel = one.folder / "kernel.npy"
        np.save(one.kernel, np.ones((3, 3)))
    told = choice.settings({name: question.usual for name, question in QUESTIONS.items()})
    files = one.files(holes=choice.holes, kernel=choice.kernel)
    one.done(desk.submit(Asked(task=choice.task, of_task=told), files, one.folder / "results").result())
    factor = told.get("factor", 1)
    size = one.result.restored.shape[2:]
    assert size == (30 * factor, 40 * factor)
    result = one.paint(drawn((15, 20), (0, 0, 5), (1, 10, 15)))
    top, low = size[0] // 3, 2 * size[0] // 3
    hole = one._hole(result)
    assert torch.equal(result.restored[:, :, low:], result.prior[:, :, low:])
    kept = result.restored[:, :, :top] == result.fidelity[:, :, :top]
    assert bool((kept if hole is None else kept | (hole[:, :, :top] > 0)).all())
    folder = one.saved("everything")
    record = json.loads((folder / "restoration.json").read_text())
    assert record["task"] == one.result.task and str(desk.folder) not in json.dumps(record)
    if choice.kernel:
        assert record["settings_of_task"]["kernel"]["file"]["name"] == "kernel.npy"
    assert {"restored.png", "layers.tif", "report.html"} <= {path.name for path in folder.iterdir()}


def test_a_hole_has_nothing_to_keep(session):
    one = session(40, 60, hole=drawn((40, 60), (0, 10, 20)))
    result = one.paint(drawn((40, 60), (0, 0, 40)))
    assert float(result.phi[:, :, 10:20].min()) == 1 and float(result.phi[:, :, 20:].max()) == 0


def test_a_megapixel_follows_a_brush(session):
    """All that lies between what the page sends and what it is sent back, in time of the processor."""
    from bigprior.app.answer import paper, seen

    one, painted = session(1000, 1000), drawn((1000, 1000), (0, 100, 300), (1, 500, 600))
    took = []
    for _ in range(5):
        began = time.process_time()
        one.paint(painted)
        seen(one, "")
        paper(one)
        took.append(time.process_time() - began)
    assert min(took) < 0.3, took


@contextlib.contextmanager
def served(desk):
    import uvicorn

    from bigprior.app.serving import application

    server = uvicorn.Server(uvicorn.Config(application(desk), port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def stroke(browser, name):
    left, top, width, height = browser.value(
        f"(() => {{ const c = document.querySelector('#{name} canvas'); c.scrollIntoView({{block: 'center'}});"
        "const b = c.getBoundingClientRect(); return [b.left, b.top, b.width, b.height] })()"
    )
    browser.mouse("mousePressed", left + 0.3 * width, top + 0.5 * height)
    for part in (0.4, 0.5, 0.6):
        browser.mouse("mouseMoved", left + part * width, top + 0.5 * height)
    browser.mouse("mouseReleased", left + 0.6 * width, top + 0.5 * height)


def choose(browser, wrong):
    """Say what is wrong with the picture."""
    label = f"[...document.querySelectorAll('#wrong label')].find(l => l.innerText.includes({wrong!r}))"
    browser.until(f"!!{label}")
    browser.value(f"{label}.querySelector('input').click()")


#: Whether something is painted on the result.
INKED = (
    "(() => { const c = document.querySelector('#phi canvas');"
    "return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v) })()"
)
#: What the page says of how much is made up.
SHARE = "document.querySelector('#share strong')?.innerText"


def test_in_a_browser(desk, browser, tmp_path):
    """Upload, mask, restore, paint, download, a bad file; nobody else is asked for anything."""
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 255, (90, 120, 3), dtype=np.uint8)).save(tmp_path / "photo.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with served(desk) as url:
        browser.open(url)
        browser.until("!!document.querySelector('#photo input[type=file]')", 60)
        browser.choose_file("#photo input[type=file]", tmp_path / "bad.png")
        said = browser.until("document.querySelector('#alert [role=alert]')?.innerText", 60)
        assert "bad.png is not a picture" in said and "/" not in said
        browser.value(
            "document.querySelector('#photo button[aria-label*=lear], #photo button[aria-label*=emove]').click()"
        )
        browser.until("!!document.querySelector('#photo input[type=file]')", 60)

        browser.choose_file("#photo input[type=file]", tmp_path / "photo.png")
        browser.until("document.querySelector('#hole canvas')?.width === 120", 60)
        stroke(browser, "hole")
        time.sleep(0.3)  # the stroke is on its way
        browser.value("document.querySelector('#go').click()")
        assert browser.until(SHARE, 60)
        text = browser.value("document.querySelector('#verdict').innerText")
        assert "made up" in text and "measurement's alone" in text
        assert browser.value("document.querySelector('#compare .after').naturalWidth") == 120

        was, shown = (browser.value(f"{what}") for what in (SHARE, "document.querySelector('#compare .after').src"))
        browser.value("document.querySelectorAll('#phi .brush')[1].click()")
        browser.value("document.querySelector('#phi canvas').focus()")
        for key in " ", *["ArrowDown"] * 12, " ":
            browser.key(key, {" ": 32, "ArrowDown": 40}[key])
        browser.until(f"document.querySelector('#compare .after').src !== {shown!r}", 60)
        browser.until(f"{SHARE} !== {was!r}", 60)
        time.sleep(0.3)  # the picture that followed is there
        assert browser.value(INKED), "what was painted is still to be seen"

        links = browser.value("[...document.querySelectorAll('#downloads a')].map(a => a.href)")
        kinds = [urllib.request.urlopen(link).headers["content-disposition"] for link in links]
        assert [kind.split('"')[1] for kind in kinds] == [
            "restored.png", "layers.tif", "report.html", "restoration.zip"
        ]  # fmt: skip
        held = zipfile.ZipFile(io.BytesIO(urllib.request.urlopen(links[3]).read())).namelist()
        assert {"restored.png", "layers.tif", "restoration.json"} <= set(held) and "restoration.zip" not in held
        (tmp_path / "restored.png").write_bytes(urllib.request.urlopen(links[0]).read())
        back, photo = (read_picture(tmp_path / f"{name}.png").image for name in ("restored", "photo"))
        assert torch.equal(back[:, :, :20], photo[:, :, :20]) and not torch.equal(back, photo)

        np.save(tmp_path / "kernel.npy", np.ones((3, 5)))
        for wrong, shows, width in (("too small", "#factor", 240), ("have the kernel", "#kernel", 120)):
            choose(browser, wrong)
            browser.until(f"!!document.querySelector({shows!r})?.offsetParent", 60)
            assert not browser.value("document.querySelector('#hole canvas')?.offsetParent")
            if shows == "#kernel":
                browser.choose_file("#kernel input[type=file]", tmp_path / "kernel.npy")
                browser.until("document.querySelector('#kernel').innerText.includes('kernel')", 60)
            shown = browser.value("document.querySelector('#compare .after').src")
            browser.value("document.querySelector('#go').click()")
            browser.until(f"document.querySelector('#compare .after').src !== {shown!r}", 60)
            browser.until(f"document.querySelector('#compare .after').naturalWidth === {width}", 60)

        assert all(asked.startswith(url) for asked in browser.asked_for())
        unnamed = "[...document.querySelectorAll('button, input, canvas, a')].filter(e => e.offsetParent && !"
        unnamed += "(e.innerText || e.getAttribute('aria-label') || e.labels?.length || e.title)).map(e => e.outerHTML)"
        assert browser.value(unnamed) == []
        assert not [e for e in browser.events if e["method"] == "Runtime.exceptionThrown"]
