"""The encoder: that it learns, that a kill costs nothing but time, and that inversions begin where it says."""

from pathlib import Path

import pytest
import torch

from bigprior.degradations import Degradation, Denoising
from bigprior.degradations.simulation import simulate
from bigprior.errors import SettingsError, WeightsError
from bigprior.io.folders import load_set
from bigprior.io.weights import read_weights, save_weights
from bigprior.networks.encoder import CodeEncoder
from bigprior.networks.generators import PGGAN
from bigprior.presets.importing import import_preset
from bigprior.presets.loading import load_prior, load_restorer
from bigprior.presets.store import load_part, preset
from bigprior.priors.gan import GANPrior, InversionSettings
from bigprior.training.encoder import EncoderSettings, EncoderTrainer
from bigprior.training.loop import fit
from bigprior.training.plan import Moment


def generator_of(seed: int = 1) -> PGGAN:
    torch.manual_seed(seed)
    return PGGAN(16, z_dim=16, fmap_base=256, fmap_max=16)


def settings_of(steps: int, **more: object) -> EncoderSettings:
    small = {"codes": 2, "layer": 2, "width": 8, "hidden": 16, "batch": 4, "snapshot_kimg": 0.004}
    return EncoderSettings(total_kimg=steps * 4 / 1000, **(small | more))


def train(data: Path, out: Path, settings: EncoderSettings) -> Path:
    return fit(EncoderTrainer(settings, generator_of(), data), out, quiet=True)


def encoder_of(path: Path) -> CodeEncoder:
    tensors, header = read_weights(path)
    return CodeEncoder.from_state_dict(tensors, header["network"])


@pytest.mark.slow
def test_a_killed_run_ends_like_one_that_was_not(
    smooth_pictures: Path, tmp_path: Path, run_until_killed, assert_equal_states
) -> None:
    whole = train(smooth_pictures, tmp_path / "whole", settings_of(8))
    call = "train(*sys.argv[1:], test_encoder.settings_of(8))"
    run_until_killed("encoder", call, 4, smooth_pictures, tmp_path / "killed")
    resumed = train(smooth_pictures, tmp_path / "killed", settings_of(8))
    assert resumed.read_bytes() == whole.read_bytes()
    assert_equal_states(tmp_path / "whole", tmp_path / "killed")
    with pytest.raises(SettingsError, match="other settings"):
        train(smooth_pictures, tmp_path / "whole", settings_of(9))


def test_inversions_begin_nearer_to_the_truth(smooth_pictures: Path, tmp_path: Path) -> None:
    """Of pictures that the generator can make, from all of their pixels."""
    generator = generator_of()
    settings = settings_of(150, samples=1.0, lr=3e-3, shared=0.3)
    encoder = encoder_of(train(smooth_pictures, tmp_path / "run", settings))
    inversion = InversionSettings(codes=2, layer=2, steps=5, precision="fp32")
    with torch.no_grad():
        x = generator(torch.randn(16, 16, generator=torch.Generator().manual_seed(77))).clamp(0, 1)
    cold = GANPrior(generator, inversion).project(Denoising().measure(x)).history
    warm = GANPrior(generator, inversion, encoder=encoder).project(Denoising().measure(x)).history
    assert cold is not None and warm is not None
    assert warm[0].mean() < 0.7 * cold[0].mean()
    assert warm[-1].mean() < cold[-1].mean()


def test_codes_stay_shared_for_as_long_as_asked(smooth_pictures: Path, tmp_path: Path) -> None:
    y = load_set(smooth_pictures, (0, 3), 16).images
    for shared, alike in ((1.0, True), (0.0, False)):
        encoder = encoder_of(train(smooth_pictures, tmp_path / str(shared), settings_of(3, shared=shared)))
        z, alpha = encoder(Denoising().measure(y))
        assert torch.equal(z[0], z[1]) is alike
        assert not torch.equal(alpha[0], alpha[1])


def test_it_takes_every_measurement_by_itself(any_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(3)
    encoder = CodeEncoder(16, codes=2, layer=2, z_dim=16, channels=16, width=8, hidden=16)
    with torch.no_grad():
        encoder.weights_head.weight.normal_()
    y, physics = measure(any_task, 2, 16, 16)
    assert isinstance(physics, Degradation)
    z, alpha = encoder(physics.measure(y))
    assert z.shape == alpha.shape == (2, 2, 16)
    torch.testing.assert_close(encoder(physics.measure(y)[:1])[1], alpha[:1])
    assert torch.isfinite(alpha).all()


def test_an_encoder_for_other_inversions_is_refused() -> None:
    encoder = CodeEncoder(16, codes=2, layer=2, z_dim=16, channels=16, width=8, hidden=16)
    with pytest.raises(SettingsError, match="2 codes at layer 2, but these are of 3 at layer 2"):
        GANPrior(generator_of(), InversionSettings(codes=3, layer=2), encoder=encoder)
    torch.manual_seed(1)
    with pytest.raises(SettingsError, match="a generator with resolution 16, but this one has 32"):
        GANPrior(PGGAN(32, z_dim=16, fmap_base=256, fmap_max=16), InversionSettings(codes=2, layer=2), encoder=encoder)
    with pytest.raises(SettingsError, match="a generator with channels 16, but this one has 8"):
        GANPrior(PGGAN(16, z_dim=16, fmap_base=32, fmap_max=16), InversionSettings(codes=2, layer=2), encoder=encoder)


def test_weights_of_another_shape_are_refused() -> None:
    encoder = CodeEncoder(16, codes=2, layer=2, z_dim=16, channels=16, width=8, hidden=16)
    other = CodeEncoder(16, codes=3, layer=2, z_dim=16, channels=16, width=8, hidden=16)
    with pytest.raises(WeightsError, match="not the weights of an encoder"):
        CodeEncoder.from_state_dict({}, encoder.settings)
    with pytest.raises(WeightsError, match="not the weights of an encoder"):
        CodeEncoder.from_state_dict(other.state_dict(), encoder.settings)
    with pytest.raises(WeightsError, match="not the weights of an encoder"):
        CodeEncoder.from_state_dict(encoder.state_dict(), {"sides": 3})


def test_the_rate_falls_while_codes_are_shared_and_again_while_they_are_not(smooth_pictures: Path) -> None:
    trainer = EncoderTrainer(settings_of(400, shared=0.5), generator_of(), smooth_pictures)
    rates = [trainer.schedule(Moment(step, step, 400))["lr"] for step in range(400)]
    assert rates[0] == pytest.approx(1e-5, rel=0.01)
    assert max(rates[:200]) < 1e-3 and rates[199] < 1e-6
    assert rates[200] == pytest.approx(1e-3 / 3) and rates[399] < 1e-6


@pytest.mark.usefixtures("home")
def test_a_preset_ships_its_encoder(smooth_pictures: Path, tmp_path: Path) -> None:
    save_weights(tmp_path / "generator.safetensors", generator_of().state_dict(), {"architecture": "pggan"})
    weights = train(smooth_pictures, tmp_path / "run", settings_of(2))
    inversion = {task: {"codes": 2, "layer": 2, "steps": 2} for task in ("denoising", "colorization")}
    inversion["inpainting"] = {"codes": 3, "layer": 2, "steps": 2}
    import_preset("tiny", tmp_path / "generator.safetensors", beside={"encoder": weights}, settings=inversion)
    assert load_part("tiny", "encoder") is not None
    loaded = load_prior("tiny", "denoising")
    assert isinstance(loaded.prior, GANPrior) and loaded.prior.encoder is not None
    assert loaded.weights["encoder"] == preset("tiny").sha256["encoder"] and loaded.weights["encoder"] in loaded.key
    # Settings that it was not made for begin at random codes.
    other = load_prior("tiny", "inpainting")
    assert isinstance(other.prior, GANPrior) and other.prior.encoder is None
    assert other.weights.keys() == {"generator"}
    assert load_restorer("tiny", "denoising").provenance["weights"]["encoder"] == preset("tiny").sha256["encoder"]
    truth = torch.rand(1, 3, 16, 16)
    y, physics = simulate("denoising", truth, ["a"])
    images = [loaded.prior.project(physics.measure(y), seed=seed).image for seed in (1, 2)]
    assert torch.equal(*images)
