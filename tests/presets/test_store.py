"""Presets: found by name, and refused when they are not what they name."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bigprior import DEFAULT_PRESET
from bigprior.degradations import DEGRADATIONS, OPERATORS
from bigprior.errors import SettingsError, UnknownNameError, WeightsError
from bigprior.frames import PixelFrame
from bigprior.fusion import centre
from bigprior.io import embedded as places
from bigprior.io.weights import save_weights, sha256
from bigprior.networks.generators import PGGAN
from bigprior.phi import DnCNNPhi
from bigprior.presets import store
from bigprior.presets.importing import import_preset
from bigprior.presets.loading import load_phi, load_prior, load_restorer
from bigprior.presets.store import folder_of, load_part, part_path, preset, preset_names
from bigprior.priors.gan import paper_settings
from bigprior.priors.inversion import InversionSettings

pytestmark = pytest.mark.usefixtures("home")


def test_a_restorer_of_a_preset_restores_any_size(generator: Path, phi: Path, any_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    import_preset("tiny", generator, phi={any_task: phi})
    restorer = load_restorer("tiny", any_task, steps=2)
    y, physics = measure(any_task, 1, 18, 21)
    result = restorer.restore(y, physics, seed=1)
    assert result.restored.shape == (1, 3, 18, 21)
    assert result.provenance["preset"] == "tiny"
    assert result.provenance["weights"] == {
        "generator": preset("tiny").sha256["generator"],
        "phi": preset("tiny").sha256[f"phi-{any_task}"],
    }
    assert result.provenance["settings"]["steps"] == 2
    json.dumps(result.provenance)
    assert torch.equal(load_restorer("tiny", any_task, steps=2)(y, physics, seed=1), result.restored)


def test_a_prior_has_the_presets_settings_or_the_callers(generator: Path, vgg_weights: Path) -> None:
    import_preset("tiny", generator, settings={"denoising": {"codes": 2, "steps": 7, "layer": 1}})
    own = load_prior("tiny", "denoising")
    assert own.prior.settings == InversionSettings(codes=2, steps=7, layer=1)
    assert own.settings == own.prior.settings.model_dump(mode="json")
    fewer = load_prior("tiny", "denoising", steps=3)
    assert fewer.prior.settings == InversionSettings(codes=2, steps=3, layer=1)
    assert load_prior("tiny", "colorization").prior.settings == InversionSettings()
    papers = load_prior("tiny", "denoising", paper=True, vgg=vgg_weights)
    assert papers.prior.settings == paper_settings(DEGRADATIONS["denoising"])
    assert len({loaded.key for loaded in (own, fewer, papers)}) == 3
    assert preset("tiny").sha256["generator"] in own.key
    assert own.weights == {"generator": preset("tiny").sha256["generator"]}
    for steps in (0, -3):
        with pytest.raises(SettingsError, match=f"steps is {steps}"):
            load_prior("tiny", "denoising", steps=steps)


@pytest.mark.parametrize("part", ["generator", "phi-denoising"])
@pytest.mark.parametrize("how", ["one bit", "another file", "gone"])
def test_a_file_that_is_not_the_one_that_was_imported_is_refused(
    generator: Path, phi: Path, part: str, how: str
) -> None:
    path = import_preset("tiny", generator, phi={"denoising": phi}) / f"{part}.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    if how == "one bit":
        path.write_bytes(content)
    elif how == "another file":
        path.write_bytes(
            path.with_name("generator.safetensors" if part != "generator" else "phi-denoising.safetensors").read_bytes()
        )
    else:
        path.unlink()
    with pytest.raises(WeightsError, match="is missing or is not the file that tiny names"):
        load_restorer("tiny", "denoising")


@pytest.mark.parametrize("name", ["absent", "", "..", "tiny/../tiny", "/etc"])
def test_an_unknown_preset_is_told_the_known_ones(generator: Path, name: str) -> None:
    import_preset("tiny", generator)
    for load in (preset, lambda n: load_part(n, "generator"), load_restorer, lambda n: load_prior(n, "denoising")):
        with pytest.raises(UnknownNameError, match=r"unknown preset .* tiny"):
            load(name)


def test_an_unknown_task_is_told_the_known_ones(generator: Path) -> None:
    import_preset("tiny", generator)
    with pytest.raises(UnknownNameError, match=", ".join(sorted([*DEGRADATIONS, *OPERATORS]))):
        load_restorer("tiny", "melting")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"name": "tiny"}', "\xff"])
def test_a_description_that_cannot_be_read_is_named(home: Path, generator: Path, content: str) -> None:
    path = import_preset("tiny", generator) / "preset.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(WeightsError, match="does not describe a preset"):
        load_part("tiny", "generator")


def test_ones_own_preset_comes_before_the_embedded_one_and_is_listed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generator: Path
) -> None:
    import_preset("both", generator, into=tmp_path / "presets" / "data", summary="embedded")
    import_preset("only", generator, into=tmp_path / "presets" / "data")
    monkeypatch.setattr(places, "files", lambda package: tmp_path)
    assert preset("both").summary == "embedded"
    import_preset("both", generator, summary="own")
    assert preset("both").summary == "own"
    assert preset_names() == ["both", "only"]


def test_a_preset_of_a_lenders_name_borrows_from_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generator: Path, phi: Path
) -> None:
    lender = store.embedded("gan")
    monkeypatch.setattr(places, "files", lambda package: tmp_path)
    import_preset(lender, generator, phi={"denoising": phi}, into=tmp_path / "presets" / "data", summary="embedded")
    import_preset(lender, generator, summary="own")
    restorer = load_restorer(lender, "denoising", steps=1)
    assert restorer.provenance["weights"]["phi"] == preset(lender, own=False).sha256["phi-denoising"]
    assert "phi-denoising" not in preset(lender).sha256


@pytest.mark.parametrize(("how", "message"), [({"codes": 0}, "codes is 0"), ({"code": 3}, "code is 3")])
def test_settings_out_of_range_or_unknown_are_refused_by_name(generator: Path, how: dict, message: str) -> None:
    path = import_preset("tiny", generator) / "preset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"settings": {"denoising": how}}))  # by hand
    with pytest.raises(SettingsError, match=message):
        load_prior("tiny", "denoising")
    assert load_prior("tiny", "inpainting").settings["codes"] == InversionSettings().codes  # others are none the worse


def test_a_task_is_meant_by_its_name_or_its_verb(generator: Path, phi: Path, our_task: str) -> None:
    import_preset("tiny", generator, phi={our_task: phi})
    verb = DEGRADATIONS[our_task].verb
    by_name, by_verb = (load_restorer("tiny", task, steps=2) for task in (our_task, verb))
    assert by_name.provenance == by_verb.provenance
    assert load_prior("tiny", our_task, steps=2).key == load_prior("tiny", verb, steps=2).key
    embedded = [load_restorer(task=task).provenance["weights"] for task in (our_task, verb)]
    assert embedded[0] == embedded[1] and set(embedded[0]) >= {"denoiser", "phi"}


def test_parts_are_frozen_networks_and_a_part_that_is_not_there_is_named(generator: Path) -> None:
    import_preset("tiny", generator)
    assert not any(parameter.requires_grad for parameter in load_part("tiny", "generator").parameters())
    assert dict(store.Parts("tiny")).keys() == {"generator"} and "encoder" not in store.Parts("tiny")
    with pytest.raises(WeightsError, match="preset tiny has no encoder"):
        load_part("tiny", "encoder")


def test_an_embedded_preset_is_found_by_its_kind() -> None:
    assert store.embedded("gan") == "rooms" and store.embedded("diffusion") == DEFAULT_PRESET
    with pytest.raises(UnknownNameError, match=r"'vae'.* diffusion, gan"):
        store.embedded("vae")


def test_every_embedded_preset_has_settings_that_its_kind_takes(our_task: str) -> None:
    for name in preset_names(own=False):
        loaded = load_prior(name, our_task)
        assert preset(name, own=False).settings[our_task].items() <= loaded.settings.items()


def test_every_part_of_the_embedded_presets_is_there_once() -> None:
    parts = [part_path(name, part) for name in preset_names(own=False) for part in preset(name).sha256]
    assert set(folder_of("rooms").parent.glob("*/*.safetensors")) == set(parts)
    files = set(parts)
    assert len({sha256(path) for path in files}) == len(files)  # what two presets have lies in one's folder
    assert part_path("photographs", "phi-inpainting") == part_path("rooms", "phi-inpainting")


def test_nothing_is_made_by_asking(home: Path) -> None:
    preset_names()
    with pytest.raises(UnknownNameError):
        preset("absent")
    assert not home.exists()


def test_without_a_variable_the_home_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in (None, ""):
        monkeypatch.delenv("BIGPRIOR_HOME") if value is None else monkeypatch.setenv("BIGPRIOR_HOME", value)
        assert store.home() == tmp_path / ".local" / "share" / "bigprior"


# Phi networks


@pytest.mark.parametrize("channels", [1, 3])
def test_a_released_phi_network_loads_unbounded_and_frozen(released: Callable[[int], Path], channels: int) -> None:
    network = load_phi(released(channels))
    assert isinstance(network, DnCNNPhi)
    assert (network.channels_in, network.bounded, network.training) == (channels, False, False)
    assert not any(p.requires_grad for p in network.parameters())


def test_every_released_phi_network_of_the_paper_loads(shared: Path) -> None:
    paths = sorted((shared / "authors_phi").glob("*.pth"))
    assert len(paths) == 11
    y, prior = torch.rand(2, 1, 3, 8, 8)
    for path in paths:
        network = load_phi(path)
        assert network.channels_in == (1 if path.name.startswith("col") else 3)
        (weights,) = network(y, prior, PixelFrame(), mean=centre(prior), weight=torch.ones(1))
        assert weights.isfinite().all()


def test_files_that_are_no_phi_network_are_refused(tmp_path: Path, generator: Path, tiny_generator: PGGAN) -> None:
    torch.save(dict(tiny_generator.state_dict()), tmp_path / "g.pth")
    save_weights(
        tmp_path / "short.safetensors", {"head.bias": torch.ones(1)}, {"kind": "unet", "network": {"widths": [4, 6]}}
    )
    save_weights(tmp_path / "bare.safetensors", {"head.bias": torch.ones(1)}, {"kind": "unet"})
    for path in (
        generator,
        tmp_path / "g.pth",
        tmp_path / "short.safetensors",
        tmp_path / "bare.safetensors",
        tmp_path / "absent",
    ):
        with pytest.raises(WeightsError, match=path.name):
            load_phi(path)
    assert "g.pth" in os.listdir(tmp_path)
