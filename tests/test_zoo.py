"""Presets: made from weights, found by name, and refused when they are not what they name."""

import json
import os
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from bigprior import zoo
from bigprior.degradations import DEGRADATIONS, Denoising
from bigprior.errors import BigpriorError, SettingsError, UnknownNameError, WeightsError
from bigprior.fusion import DnCNNPhi, UNetPhi
from bigprior.generators import PGGAN
from bigprior.priors.gan import InversionSettings, paper_settings
from bigprior.weights import save_weights, sha256
from bigprior.zoo import import_preset, load_generator, load_phi, load_prior, load_restorer, preset, preset_names


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BIGPRIOR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def generator(tmp_path: Path, tiny_generator: PGGAN) -> Path:
    """A generator as training writes it."""
    path = tmp_path / "generator.safetensors"
    save_weights(path, tiny_generator.state_dict(), {"architecture": "pggan", "images": 123})
    return path


@pytest.fixture
def phi(tmp_path: Path) -> Path:
    """A phi network as training writes it."""
    network = UNetPhi((4, 6))
    save_weights(tmp_path / "phi.safetensors", network.state_dict(), {"kind": "unet", "network": network.settings})
    return tmp_path / "phi.safetensors"


def released(path: Path, channels: int = 3) -> Path:
    """A phi network with the names of the released files."""
    state = DnCNNPhi(channels, bounded=False).state_dict()
    torch.save({f"module.backbone.{k}": v for k, v in state.items()}, path)
    return path


def test_a_preset_comes_back_as_it_was_imported(home: Path, generator: Path, phi: Path, tiny_generator: PGGAN) -> None:
    inversion = {"denoising": InversionSettings(codes=2, steps=3)}
    folder = import_preset(
        "my-rooms_2",
        generator,
        phi={"denoising": phi},
        summary="tiny",
        licence="MIT",
        trained_on="noise",
        inversion=inversion,
    )
    assert folder == home / "my-rooms_2"
    assert "my-rooms_2" in preset_names()
    described = preset("my-rooms_2")
    assert (described.name, described.architecture, described.images_seen) == ("my-rooms_2", "pggan", 123)
    assert (described.summary, described.licence, described.trained_on) == ("tiny", "MIT", "noise")
    assert described.inversion == inversion
    assert described.sha256 == {p.stem: sha256(p) for p in folder.glob("*.safetensors")}
    network, z = load_generator("my-rooms_2"), torch.randn(2, 16)
    rounded = PGGAN(**tiny_generator.settings)
    rounded.load_state_dict({k: v.half().float() for k, v in tiny_generator.state_dict().items()})
    assert torch.equal(network(z), rounded(z).detach())
    assert not any(p.requires_grad for p in network.parameters())
    assert not network.training


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
    assert result.provenance["inversion"]["steps"] == 2
    json.dumps(result.provenance)
    assert torch.equal(load_restorer("tiny", any_task, steps=2)(y, physics, seed=1), result.restored)


def test_a_prior_has_the_presets_settings_or_the_callers(generator: Path, vgg_weights: Path) -> None:
    import_preset("tiny", generator, inversion={"denoising": InversionSettings(codes=2, steps=7, layer=1)})
    prior, key = load_prior("tiny", "denoising")
    assert prior.settings == InversionSettings(codes=2, steps=7, layer=1)
    fewer, other_key = load_prior("tiny", "denoising", steps=3)
    assert fewer.settings == InversionSettings(codes=2, steps=3, layer=1)
    assert load_prior("tiny", "colorization")[0].settings == InversionSettings()
    papers, _ = load_prior("tiny", "denoising", paper=True, vgg=vgg_weights)
    assert papers.settings == paper_settings("denoising")
    assert key != other_key
    assert preset("tiny").sha256["generator"] in key
    for steps in (0, -3):
        with pytest.raises(SettingsError, match=f"steps is {steps}"):
            load_prior("tiny", "denoising", steps=steps)


# What can be imported


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_foreign_state_dict_is_imported(tmp_path: Path, tiny_generator: PGGAN, suffix: str) -> None:
    state = {k: v.clone() for k, v in tiny_generator.state_dict().items()} | {"lod": torch.zeros(())}
    path = tmp_path / f"released{suffix}"
    torch.save(state, path) if suffix == ".pth" else save_file(state, path)
    import_preset("foreign", path)
    assert load_generator("foreign").widths == tiny_generator.widths
    assert preset("foreign").summary == f"imported from {path.name}"
    assert preset("foreign").licence == "unknown"


def test_one_of_the_papers_phi_networks_is_imported(tmp_path: Path, generator: Path) -> None:
    import_preset("published", generator, phi={"denoising": released(tmp_path / "denblind_church.pth")})
    restorer = load_restorer("published", "denoising", steps=1)
    assert restorer(torch.rand(1, 3, 16, 16), Denoising()).shape == (1, 3, 16, 16)


def test_a_second_import_takes_the_place_of_the_first(home: Path, generator: Path, phi: Path) -> None:
    import_preset("tiny", generator, phi={"denoising": phi}, summary="first")
    import_preset("tiny", generator, phi={"inpainting": phi}, summary="second")
    assert preset("tiny").summary == "second"
    assert preset("tiny").sha256.keys() == {"generator", "phi-inpainting"}


def test_a_folder_of_ones_own(tmp_path: Path, home: Path, generator: Path) -> None:
    folder = import_preset("tiny", generator, into=tmp_path / "elsewhere")
    assert folder == tmp_path / "elsewhere" / "tiny"
    assert not home.exists()


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../up", ".", "..", "a.b", "---", "a\0b", "a\n"])
def test_a_name_that_is_not_one_plain_word_is_refused(home: Path, generator: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="preset name is"):
        import_preset(name, generator)
    assert not home.exists()


def test_a_file_that_is_no_generator_makes_no_preset(tmp_path: Path, home: Path, generator: Path, phi: Path) -> None:
    for wrong in (phi, tmp_path / "absent.pth", tmp_path):
        with pytest.raises(WeightsError):
            import_preset("tiny", wrong)
    with pytest.raises(WeightsError, match="names no kind"):
        import_preset("tiny", generator, phi={"denoising": generator})
    with pytest.raises(UnknownNameError, match="colorization, denoising, inpainting"):
        import_preset("tiny", generator, phi={"deblurring": phi})
    with pytest.raises(UnknownNameError, match="pggan"):
        import_preset("tiny", generator, kind="stylegan")
    assert not home.exists()


def test_a_description_that_no_preset_has_is_refused(generator: Path) -> None:
    with pytest.raises((BigpriorError, ValidationError, TypeError), match="license"):
        import_preset("tiny", generator, license="MIT")


# What is refused when it is loaded


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
    for load in (preset, load_generator, load_restorer, lambda n: load_prior(n, "denoising")):
        with pytest.raises(UnknownNameError, match=r"unknown preset .* tiny"):
            load(name)


def test_an_unknown_task_is_told_the_known_ones(generator: Path) -> None:
    import_preset("tiny", generator)
    with pytest.raises(UnknownNameError, match=", ".join(sorted(DEGRADATIONS))):
        load_restorer("tiny", "deblurring")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"name": "tiny"}', "\xff"])
def test_a_description_that_cannot_be_read_is_named(home: Path, generator: Path, content: str) -> None:
    path = import_preset("tiny", generator) / "preset.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(WeightsError, match="does not describe a preset"):
        load_generator("tiny")


def test_ones_own_preset_comes_before_the_embedded_one_and_is_listed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generator: Path
) -> None:
    import_preset("both", generator, into=tmp_path / "presets", summary="embedded")
    import_preset("only", generator, into=tmp_path / "presets")
    monkeypatch.setattr(zoo, "files", lambda package: tmp_path)
    assert preset("both").summary == "embedded"
    import_preset("both", generator, summary="own")
    assert preset("both").summary == "own"
    assert preset_names() == ["both", "only"]


def test_nothing_is_made_by_asking(home: Path) -> None:
    preset_names()
    with pytest.raises(UnknownNameError):
        preset("absent")
    assert not home.exists()


def test_without_a_variable_the_home_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in (None, ""):
        monkeypatch.delenv("BIGPRIOR_HOME") if value is None else monkeypatch.setenv("BIGPRIOR_HOME", value)
        assert zoo.home() == tmp_path / ".local" / "share" / "bigprior"


# Phi networks


@pytest.mark.parametrize("channels", [1, 3])
def test_a_released_phi_network_loads_unbounded_and_frozen(tmp_path: Path, channels: int) -> None:
    network = load_phi(released(tmp_path / "released.pth", channels))
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
        assert network(y, prior).isfinite().all()


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
