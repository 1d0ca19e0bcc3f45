"""Presets are made from weights, whole or not at all."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bigprior.degradations import Denoising
from bigprior.errors import OutputError, SettingsError, UnknownNameError, WeightsError
from bigprior.io.weights import save_weights, sha256
from bigprior.networks.adapter import Adapter
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.networks.encoder import CodeEncoder
from bigprior.networks.generators import GENERATORS, PGGAN
from bigprior.presets.importing import import_preset
from bigprior.presets.loading import load_prior, load_restorer
from bigprior.presets.store import load_part, preset, preset_names

pytestmark = pytest.mark.usefixtures("home")


def test_a_preset_comes_back_as_it_was_imported(home: Path, generator: Path, phi: Path, tiny_generator: PGGAN) -> None:
    settings = {"denoising": {"codes": 2, "steps": 3}}
    folder = import_preset(
        "my-rooms_2",
        generator,
        phi={"denoising": phi},
        summary="tiny",
        licence="MIT",
        trained_on="noise",
        settings=settings,
    )
    assert folder == home / "my-rooms_2"
    assert "my-rooms_2" in preset_names()
    described = preset("my-rooms_2")
    assert (described.name, described.architecture, described.images_seen) == ("my-rooms_2", "pggan", 123)
    assert (described.summary, described.licence, described.trained_on) == ("tiny", "MIT", "noise")
    assert described.settings == settings and described.kind == "gan"
    assert described.sha256 == {p.stem: sha256(p) for p in folder.glob("*.safetensors")}
    network, z = load_part("my-rooms_2", "generator"), torch.randn(2, 16)
    rounded = PGGAN(**tiny_generator.settings)
    rounded.load_state_dict({k: v.half().float() for k, v in tiny_generator.state_dict().items()})
    assert torch.equal(network(z), rounded(z).detach())
    assert not any(p.requires_grad for p in network.parameters())
    assert not network.training


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_foreign_state_dict_is_imported(tmp_path: Path, tiny_generator: PGGAN, suffix: str) -> None:
    state = {k: v.clone() for k, v in tiny_generator.state_dict().items()} | {"lod": torch.zeros(())}
    path = tmp_path / f"released{suffix}"
    torch.save(state, path) if suffix == ".pth" else save_file(state, path)
    import_preset("foreign", path)
    network = load_part("foreign", "generator")
    assert network.widths == tiny_generator.widths
    assert all(torch.equal(network.state_dict()[k], v) for k, v in tiny_generator.state_dict().items())
    assert preset("foreign").summary == f"imported from {path.name}"
    assert preset("foreign").licence == "unknown"


@pytest.mark.parametrize("name", [name for name in GENERATORS if GENERATORS[name].__module__.startswith("bigprior.")])
def test_a_foreign_file_is_of_the_generator_that_its_tensors_fit(tmp_path: Path, small, name: str) -> None:  # type: ignore[no-untyped-def]
    torch.save(small(name).state_dict(), tmp_path / "g.pth")
    import_preset("foreign", tmp_path / "g.pth")
    assert preset("foreign").architecture == name
    assert load_prior("foreign", "denoising").settings["layer"] == small(name).cut


def test_a_file_of_no_generator_says_what_to_do(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.ones(1)}, tmp_path / "g.pth")
    with pytest.raises(WeightsError, match=r"fits no generator .* such as a\.weight: name its architecture with --as"):
        import_preset("foreign", tmp_path / "g.pth")


def test_changes_are_settings_of_every_task(generator: Path) -> None:
    changes = {"codes": 1, "feature_maps": {"steps": 3}}
    import_preset("tiny", generator, steps={"denoising": 7}, changes=changes)
    denoising, colours = load_prior("tiny", "denoising").settings, load_prior("tiny", "colorization").settings
    assert (denoising["codes"], denoising["steps"], colours["codes"]) == (1, 7, 1)
    assert colours["feature_maps"]["steps"] == 3 and colours["steps"] != 7
    for wrong in ({"code": 1}, {"feature_maps": {"step": 1}}):
        with pytest.raises(SettingsError, match=r"code is 1|^step is 1"):
            import_preset("other", generator, changes=wrong)


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float32])
def test_weights_are_kept_at_the_precision_of_their_file(
    home: Path, tmp_path: Path, tiny_generator: PGGAN, precision: torch.dtype
) -> None:
    state = {k: v.to(precision) for k, v in tiny_generator.state_dict().items()}
    torch.save(state, tmp_path / "g.pth")
    import_preset("foreign", tmp_path / "g.pth")
    kept = load_file(home / "foreign" / "generator.safetensors")
    assert all(kept[k].dtype == precision and torch.equal(kept[k], v) for k, v in state.items())


def test_one_of_the_papers_phi_networks_is_imported(generator: Path, released: Callable[[int], Path]) -> None:
    import_preset("published", generator, phi={"denoising": released(3)})
    restorer = load_restorer("published", "denoising", steps=1)
    assert restorer(torch.rand(1, 3, 16, 16), Denoising()).shape == (1, 3, 16, 16)


def test_a_second_import_takes_the_place_of_the_first_if_it_can_go(home: Path, generator: Path, phi: Path) -> None:
    folder = import_preset("tiny", generator, phi={"denoising": phi}, summary="first")
    with pytest.raises(OutputError, match="tiny holds a preset already: choose another name, or --overwrite"):
        import_preset("tiny", generator, phi={"inpainting": phi}, summary="second")
    assert preset("tiny").summary == "first"
    own = {"inpainting": folder / "phi-denoising.safetensors"}  # from what is about to go
    import_preset("tiny", folder / "generator.safetensors", phi=own, summary="second", overwrite=True)
    assert preset("tiny").summary == "second"
    assert preset("tiny").sha256.keys() == {"generator", "phi-inpainting"}
    assert {path.name for path in folder.iterdir()} == {
        "preset.json",
        *(f"{part}.safetensors" for part in preset("tiny").sha256),
    }
    (folder / "notes.txt").touch()
    with pytest.raises(OutputError, match=r"holds notes\.txt, which is no part of a preset"):
        import_preset("tiny", generator, overwrite=True)
    assert preset("tiny").summary == "second" and (folder / "notes.txt").exists()


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
    with pytest.raises(UnknownNameError, match="colorization, deblurring, demosaicing, denoising, inpainting"):
        import_preset("tiny", generator, phi={"melting": phi})
    with pytest.raises(UnknownNameError, match="pggan"):
        import_preset("tiny", generator, architecture="nonesuch")
    with pytest.raises(WeightsError):
        import_preset("tiny", generator, phi={"denoising": phi}, beside={"encoder": phi})
    assert not home.exists()


def test_a_description_that_no_preset_has_is_refused(home: Path, generator: Path) -> None:
    with pytest.raises(SettingsError, match="license"):
        import_preset("tiny", generator, license="MIT")
    assert not home.exists()


@pytest.mark.parametrize(
    ("how", "message"), [({"codes": 0}, "codes is 0"), ({"code": 3}, "code is 3"), ({"optimizer": "x"}, "adam, sgd")]
)
def test_settings_out_of_range_or_unknown_make_no_preset(home: Path, generator: Path, how: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        import_preset("tiny", generator, settings={"denoising": how})
    assert not home.exists()


def test_settings_of_a_denoiser_are_looked_at_too(home: Path, tmp_path: Path) -> None:
    network = DenoisingUNet((8, 12), blocks=1)
    header = {"architecture": "denoising-unet", "network": network.settings}
    save_weights(tmp_path / "d.safetensors", network.state_dict(), header)
    for how, message in (({"views": 5}, "views is 5"), ({"weight": 2.0}, "weight is 2"), ({"codes": 3}, "codes is 3")):
        with pytest.raises(SettingsError, match=message):
            import_preset("tiny", tmp_path / "d.safetensors", settings={"denoising": how})
    assert not home.exists()


def test_settings_and_steps_are_of_tasks_by_name_or_verb(home: Path, generator: Path) -> None:
    import_preset("tiny", generator, settings={"denoise": {"codes": 2}, "inpainting": {"codes": 3}})
    assert preset("tiny").settings == {"denoising": {"codes": 2}, "inpainting": {"codes": 3}}
    import_preset("tiny", generator, steps={"colorize": 7}, overwrite=True)
    assert load_prior("tiny", "colorization").settings["steps"] == 7
    for wrong in ({"settings": {"melting": {}}}, {"steps": {"melting": 3}}):
        with pytest.raises(UnknownNameError, match="melting"):
            import_preset("other", generator, **wrong)
    assert preset_names(own=True) == sorted({*preset_names(own=False), "tiny"})


def test_a_part_that_such_a_preset_does_not_have_is_refused_with_those_that_it_can_have(
    home: Path, generator: Path, phi: Path
) -> None:
    with pytest.raises(SettingsError, match="a gan preset has no filler: it can have encoder"):
        import_preset("tiny", generator, beside={"filler": phi})
    assert not home.exists()


def test_a_filler_stands_beside_its_denoiser_and_changes_it_for_holes(home: Path, tmp_path: Path) -> None:
    network = DenoisingUNet((4, 8), blocks=1)
    filler = Adapter.of(network, rank=2)
    for name, part, head in (("denoiser", network, {"architecture": "denoising-unet"}), ("filler", filler, {})):
        save_weights(tmp_path / f"{name}.safetensors", part.state_dict(), {"network": part.settings} | head)
    beside = {"filler": tmp_path / "filler.safetensors"}
    import_preset("tiny", tmp_path / "denoiser.safetensors", beside=beside)
    assert load_prior("tiny", "inpainting").settings["sampler"] == "drawn"
    assert load_prior("tiny", "colorization").settings["sampler"] == "mean"


def test_a_part_that_takes_turns_has_to_be_there(home: Path, tmp_path: Path) -> None:
    network = DenoisingUNet((4, 8), blocks=1)
    header = {"network": network.settings, "architecture": "denoising-unet"}
    save_weights(tmp_path / "denoiser.safetensors", network.state_dict(), header)
    path = import_preset("tiny", tmp_path / "denoiser.safetensors") / "preset.json"
    described = json.loads(path.read_text())
    described["settings"]["deblurring"] = {"part": "general-denoiser"}  # by hand
    path.write_text(json.dumps(described))
    with pytest.raises(SettingsError, match="says part 'general-denoiser' of deblurring, but has none: leave it out"):
        load_prior("tiny", "deblurring")


def test_an_encoder_stands_beside_its_generator(home: Path, generator: Path, tiny_generator: PGGAN) -> None:
    encoder = CodeEncoder(16, 2, 2, 16, tiny_generator.channels_at(2), width=4, hidden=8)
    path = generator.with_name("encoder.safetensors")
    save_weights(path, encoder.state_dict(), {"network": encoder.settings})
    how = {"denoising": {"codes": 2, "layer": 2, "steps": 3}, "inpainting": {"codes": 3, "layer": 2, "steps": 3}}
    import_preset("tiny", generator, beside={"encoder": path}, settings=how)
    assert set(preset("tiny").sha256) == {"generator", "encoder"}
    assert isinstance(load_part("tiny", "encoder"), CodeEncoder)
    fitting, other = load_prior("tiny", "denoising"), load_prior("tiny", "inpainting")
    assert set(fitting.weights) == {"generator", "encoder"} and fitting.prior.encoder is not None
    assert set(other.weights) == {"generator"} and other.prior.encoder is None  # of another number of codes
