"""The doctor says what is wrong, in a line each, and never falls over it."""

import json
import subprocess
import sys
from importlib import metadata

import pytest
import torch

from bigprior import doctor
from bigprior.doctor import examine
from bigprior.io import embedded
from bigprior.io.weights import save_weights
from bigprior.presets.importing import import_preset


@pytest.fixture(autouse=True)
def _installed(monkeypatch, home):
    """The package says that it needs what is here, and, for an extra, what is nowhere."""
    needs = [
        "torch>=2.4",
        "numpy",
        'pytest; extra == "here"',
        'nobody-has-this>=1; extra == "gone"',
        'ruff; extra == "dev"',
    ]
    monkeypatch.setattr(doctor, "requires", lambda name: needs)


def found(part, **options):
    return {one.name: one for one in examine(speed=False, **options) if one.part == part}


def test_a_whole_installation_has_versions_extras_devices_and_presets():
    assert {one.state for one in found("package").values()} == {"ok"} and found("package").keys() >= {"torch", "numpy"}
    extras = found("extra")
    assert extras["here"].state == "ok" and set(extras) == {"here", "gone"}
    assert extras["gone"].state == "missing" and "pip install 'bigprior[gone]'" in extras["gone"].advice
    assert found("device")["cpu"].figures["threads"] == torch.get_num_threads()
    assert {name: one.state for name, one in found("preset").items()} == {"photographs": "ok", "rooms": "ok"}


def test_what_is_missing_or_broken_is_a_line_with_what_to_do(monkeypatch, tiny_generator, tmp_path):
    save_weights(tmp_path / "g.safetensors", tiny_generator.state_dict(), {"architecture": "pggan"})
    folder = import_preset("mine", tmp_path / "g.safetensors")
    (folder / "generator.safetensors").write_bytes(b"another")
    monkeypatch.setattr(embedded, "PACKAGES", ("bigprior.cli",))
    presets = found("preset")
    assert presets["mine"].state == "broken" and "is not the file" in presets["mine"].said
    assert presets["photographs"].advice == embedded.ADVICE
    monkeypatch.setattr(doctor, "requires", lambda name: ["nobody-has-this"])
    assert found("package")["nobody-has-this"].advice == "pip install nobody-has-this"


def test_no_check_ends_the_others(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it fails
    assert found("device")["device"].state == "broken"
    assert "pip install" in found("device")["device"].advice
    monkeypatch.setattr(doctor, "version", lambda name: (_ for _ in ()).throw(metadata.PackageNotFoundError(name)))
    assert found("package")["bigprior"].state == "broken"


def test_the_command_prints_lines_or_json_and_its_code(program, monkeypatch):
    code, out, err = program("doctor", "--no-speed")
    assert (code, err) == (0, "") and "ok      preset   photographs" in out and "missing extra    gone" in out
    code, out, _ = program("doctor", "--no-speed", "--json")
    assert code == 0 and {one["part"] for one in json.loads(out)} == {"python", "package", "device", "extra", "preset"}
    monkeypatch.setattr(embedded, "PACKAGES", ("bigprior.cli",))
    code, out, err = program("doctor", "--no-speed")
    assert code == 1 and "pip install bigprior-weights" in out and "Traceback" not in out + err
    assert err == "bigprior: broken: preset photographs\n"
    assert program("doctor", "--no-speed", "-q") == (1, "", err)  # no exit code of 1 without a word


def ending(code):
    raise SystemExit(code)


def test_a_library_that_ends_the_program_ends_one_check_and_is_named(program, monkeypatch):
    monkeypatch.setattr(doctor, "_devices", lambda: ending(1))
    code, out, err = program("doctor", "--no-speed")
    assert code == 1 and "SystemExit: 1" in out and "preset   photographs" in out
    assert err == "bigprior: broken: device device\n"


@pytest.mark.parametrize("code", [1, "it fell over", 3])
def test_no_command_ends_without_a_word(program, monkeypatch, code):
    monkeypatch.setattr("bigprior.cli.doctoring.fail", lambda *said, **options: ending(code))
    monkeypatch.setattr(doctor, "_devices", lambda: ending(1))
    ended, _, err = program("doctor", "--no-speed")
    assert ended == (code if isinstance(code, int) else 1) and err.count("\n") == 1
    assert err.startswith("bigprior: " + (code if isinstance(code, str) else "a library ended the program"))


@pytest.mark.parametrize("command", ["--version", "--help"])
def test_a_reader_that_leaves_is_said(command):
    """As ``| head`` does; typer and rich would end the program with 1, as if something were broken."""
    words = [sys.executable, "-m", "bigprior", *command.split()]
    there = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    there.stdout.close()
    said = there.stderr.read()
    there.stderr.close()
    assert there.wait() == 141 and said == "bigprior: what reads the output has ended: not all of it was written\n"


def test_speed_is_measured_by_the_default_preset(monkeypatch):
    monkeypatch.setattr(doctor, "_SECONDS", 0)
    monkeypatch.setattr(doctor, "_SIDE", 64)
    (speed,) = [one for one in examine() if one.part == "speed"]
    assert speed.state == "ok" and speed.figures["megapixels_per_second"] > 0 and speed.figures["restorations"] == 1
    monkeypatch.setattr(embedded, "PACKAGES", ("bigprior.cli",))
    (speed,) = [one for one in examine() if one.part == "speed"]
    assert speed.state == "broken"
