"""Settings are strict, and say what came and what was expected."""

import pytest

from bigprior.errors import SettingsError
from bigprior.presets.store import Preset
from bigprior.priors.gan import InversionSettings
from bigprior.training.gan import GANSettings
from bigprior.training.phi import PhiSettings


@pytest.mark.parametrize(
    ("settings", "values", "named"),
    [
        (InversionSettings, {"steps": 0}, "steps is 0"),
        (InversionSettings, {"codez": 3}, "codez is 3"),
        (PhiSettings, {"rho": -1}, "rho is -1"),
        (GANSettings, {"batch": "many"}, "batch is 'many'"),
        (Preset, {"name": "x"}, "summary"),
    ],
)
def test_a_value_out_of_range_is_named(settings, values, named):
    with pytest.raises(SettingsError, match=named):
        settings(**values)


def test_settings_are_frozen_and_survive_json():
    settings = InversionSettings(steps=7, layer=4)
    with pytest.raises(ValueError, match="frozen"):
        settings.steps = 8
    assert InversionSettings.model_validate_json(settings.model_dump_json()) == settings
