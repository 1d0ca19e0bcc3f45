"""The endpoint: the same jobs, one after the other, and nothing of this machine but what was sent."""

import asyncio
import base64
import io
import json
import struct
import zipfile
import zlib

import pytest
import torch

from bigprior.io.pictures import read_picture, write_picture


@pytest.fixture
def client(desk):
    from fastapi.testclient import TestClient

    from bigprior.app.serving import application

    return TestClient(application(desk))


def post(client, photo, task="denoise", settings=None, name="photo.png", **more):
    files = {"photo": (name, photo if isinstance(photo, bytes) else photo.read_bytes())}
    files |= {key: (path.name, path.read_bytes()) for key, path in more.items() if hasattr(path, "read_bytes")}
    text = {key: value for key, value in more.items() if isinstance(value, str)}
    data = {"task": task, "settings": json.dumps(settings or {}), **text}
    return client.post("/api/v1/restore", files=files, data=data)


def refused(answer, *words):
    assert 400 <= answer.status_code < 500, answer.text
    said = answer.json()["error"]
    assert all(word in said for word in words) and "\n" not in said and "bigprior-app-" not in said, said
    return answer.status_code


def header_of(width, height):
    """A PNG of so many pixels, by its header alone."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + start + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_a_photo_becomes_the_folder_that_the_program_writes(client, desk, photo):
    answer = post(client, photo, settings={"sigma": 25, "layers": "float"})
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert {"restored.png", "phi.png", "layers.tif", "report.html", "restoration.json"} <= set(archive.namelist())
    record = json.loads(archive.read("restoration.json"))
    assert record["task"] == "denoising" and record["input"]["name"] == "photo.png"
    assert [path.name for path in desk.folder.rglob("*") if path.is_file()] == []  # nothing is remembered


def test_the_task_is_found_by_what_came_with_the_photo(client, photo, mask, tmp_path):
    write_picture(tmp_path / "grey.png", torch.rand(1, 1, 30, 40))
    found = {}
    for what, sent, more in (("a", photo, {}), ("b", photo, {"mask": mask}), ("c", tmp_path / "grey.png", {})):
        body = post(client, sent, task="auto", settings={"only": ["restored"]}, answer="json", **more).json()
        found[what] = body["task"]
        assert "restored.png" in body["files"] and body["verdict"]
    assert found == {"a": "denoising", "b": "inpainting", "c": "colorization"}


def test_known_pixels_come_back(client, photo, mask, tmp_path):
    body = post(client, photo, "inpaint", answer="json", mask=mask).json()
    (tmp_path / "back.png").write_bytes(base64.b64decode(body["files"]["restored.png"]))
    back, was = read_picture(tmp_path / "back.png").image, read_picture(photo).image
    known = read_picture(mask).image > 0.5
    assert torch.equal(back[known], was[known]) and not torch.equal(back, was)


def test_a_kernel_is_a_file_and_motion_two_numbers(client, photo, tmp_path):
    import numpy as np

    np.save(tmp_path / "k.npy", np.ones((3, 5)))
    body = post(client, photo, "auto", answer="json", kernel=tmp_path / "k.npy").json()
    record = json.loads(base64.b64decode(body["files"]["restoration.json"]))
    assert body["task"] == "deblurring" and record["kernel"]["size"] == [3, 5]
    assert record["settings_of_task"]["kernel"]["file"]["name"] == "k.npy"
    assert post(client, photo, "deblur", {"motion": "5,30"}).status_code == 200
    assert post(client, photo, "upscale", {"kernel": "box", "factor": 3}).status_code == 200
    assert post(client, photo, "denoise-poisson", {"peak": 30}).status_code == 200
    huge, lines = tmp_path / "huge.npy", tmp_path / "lines.npy"
    np.save(huge, np.ones((300, 2)))
    np.save(lines, np.array([["a" * 99]]))
    assert refused(post(client, photo, "deblur", kernel=huge), "huge.npy", "at most 255") == 413
    for bad in (lines, photo):
        refused(
            post(client, photo, "deblur", kernel=bad) if bad == lines else post(client, photo, kernel=bad), "kernel"
        )


def test_a_result_is_no_larger_than_what_is_taken(client, tmp_path):
    write_picture(tmp_path / "wide.png", torch.rand(1, 3, 400, 500))
    assert refused(post(client, tmp_path / "wide.png", "upscale", {"factor": 4}), "2000x1600", "at most 1.5") == 413


def test_a_jpeg_is_restored_by_its_own_bytes(client, photo, tmp_path):
    pytest.importorskip("jpeglib", reason="no jpeglib here: pip install 'bigprior[jpeg]'")
    write_picture(tmp_path / "photo.jpg", read_picture(photo).image)
    body = post(client, tmp_path / "photo.jpg", "dejpeg", answer="json", name="photo.jpg").json()
    assert body["task"] == "jpeg-compression" and "restored.png" in body["files"]
    refused(post(client, photo, "dejpeg"), "photo.png", "JPEG")


def test_what_cannot_be_restored_gets_a_sentence(client, photo, mask):
    assert refused(post(client, header_of(20000, 10000)), "20000x10000", "200 megapixels", "at most 1.5") == 413
    assert refused(post(client, b"\0" * 6_100_000), "at most 6") == 413
    for bad in (b"", b"no picture", photo.read_bytes()[:200], header_of(0, 5)):
        assert refused(post(client, bad), "photo.png") == 422
    refused(post(client, photo, task="nonsense"), "nonsense", "denoising")
    refused(post(client, photo, settings={"samples": 99}), "samples")
    refused(post(client, photo, settings={"sigma": -4}), "sigma")
    refused(post(client, photo, settings=[1]), "JSON object")
    refused(post(client, photo, mask=mask), "mask", "denoising")
    refused(client.post("/api/v1/restore", data={"task": "denoise"}), "photo")
    refused(client.post("/api/v1/restore", content=iter([b"x"]), headers={"content-type": "text/plain"}), "long")


@pytest.mark.parametrize(
    "name", ["../../../evil.png", "/etc/passwd", "..\\..\\evil.png", "..", "a\0b.png", "\u202e.png"]
)
def test_a_name_leads_nowhere_else(client, desk, photo, tmp_path, name):
    before = set(desk.folder.parent.glob("*"))
    answer = post(client, photo, name=name, answer="json", settings={"only": ["restored"]})
    assert answer.status_code == 200, answer.text
    record = json.loads(base64.b64decode(answer.json()["files"]["restoration.json"]))
    assert "/" not in record["input"]["name"] and "\\" not in record["input"]["name"]
    assert set(desk.folder.parent.glob("*")) <= before | {desk.folder}


def test_no_setting_names_a_file(client, photo, mask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "word").write_bytes(mask.read_bytes())
    for place in (str(mask), "mask.png", "word", "../word"):
        refused(post(client, photo, "inpaint", {"mask": place}), "mask", "file")
        refused(post(client, photo, "colorize", {"hints": place}), "hints", "file")
        for task in ("deblur", "upscale"):
            refused(post(client, photo, task, {"kernel": place}), "kernel", "file")
        for name in ("prior", "preset"):
            answer = post(client, photo, settings={name: place})
            assert answer.status_code == 422 and f"unknown {name}" in answer.json()["error"]
    for name in ("phi", "calibration", "vgg", "sign", "keep", "paint", "folder", "photo", "output"):
        refused(post(client, photo, settings={name: str(mask)}), name)
    refused(post(client, photo, settings={"only": ["../x"]}), "only")
    refused(post(client, photo, settings={"format": "../x"}), "format")


def test_gradio_serves_no_file_of_this_machine(client, photo):
    for place in ("/etc/passwd", str(photo), "../../../../etc/passwd", "//etc/passwd", __file__, "pyproject.toml"):
        for route in ("/gradio_api/file=", "/file=", "/gradio_api/file/", "/static/", "/assets/", "/download/x/"):
            answer = client.get(f"{route}{place}")
            assert answer.status_code >= 400 or b"<!doctype html>" in answer.content[:200].lower(), (route, place)
            assert b"root:" not in answer.content
    assert client.get("/gradio_api/proxy=http://127.0.0.1:1/").status_code >= 400
    inside = {"path": str(photo), "meta": {"_type": "gradio.FileData"}}
    config = client.get("/config").json()
    for function in range(len(config["dependencies"])):
        body = {"data": [inside], "fn_index": function, "session_hash": "x"}
        answer = client.post("/gradio_api/run/predict", json=body)
        assert answer.status_code >= 400 or "photo.png" not in answer.text
        assert function or answer.status_code >= 400  # the first takes a file
        assert photo.exists()


def test_other_sites_cannot_borrow_the_address(client):
    assert client.get("/openapi.json", headers={"host": "evil.example"}).status_code == 400
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'self'" in policy and "http" not in policy


def test_the_endpoint_is_described(client):
    described = client.get("/openapi.json").json()
    post = described["paths"]["/api/v1/restore"]["post"]
    assert {"200", "411", "413", "422"} <= set(post["responses"]) and list(described["paths"]) == ["/api/v1/restore"]


def test_fifty_at_once_wait_for_each_other(client, desk, photo):
    import httpx

    seen = []

    async def one(api, i):
        files = {"photo": (f"{i}.png", photo.read_bytes())}
        settings = json.dumps({"only": ["restored"], "seed": i})
        sent = api.post(
            "/api/v1/restore", files=files, data={"task": "denoise", "settings": settings, "answer": "json"}
        )
        answer = await sent
        seen.append(desk.waiting)
        return answer

    async def all_of_them():
        transport = httpx.ASGITransport(client.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=120) as api:
            return await asyncio.gather(*(one(api, i) for i in range(50)))

    answers = asyncio.run(all_of_them())
    assert [answer.status_code for answer in answers] == [200] * 50
    records = [json.loads(base64.b64decode(a.json()["files"]["restoration.json"])) for a in answers]
    assert [(r["input"]["name"], r["seed"]) for r in records] == [(f"{i}.png", i) for i in range(50)]
    assert max(seen) > 1 and desk.waiting == 0
