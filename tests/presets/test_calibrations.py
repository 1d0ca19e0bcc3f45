"""Calibrations that presets carry."""

import pytest

from bigprior import DEFAULT_PRESET
from bigprior.degradations import DEGRADATIONS, OPERATORS
from bigprior.errors import OutputError, SettingsError
from bigprior.presets.calibrations import calibration_path, check_vacant, read_calibration
from bigprior.presets.loading import load_restorer


def test_the_default_preset_is_calibrated_for_our_tasks(our_task):
    """After a training this fails until `bigprior calibrate` was run again, as the message says."""
    restorer = load_restorer(DEFAULT_PRESET, our_task)
    assert restorer.calibration is not None, restorer.unbounded
    assert (restorer.calibration.alpha, restorer.calibration.delta) == (0.1, 0.1)
    changed = load_restorer(DEFAULT_PRESET, our_task, phi=_another_phi(our_task))
    assert changed.calibration is None and "another phi" in (changed.unbounded or "")


@pytest.mark.parametrize("task", [name for name, physics in OPERATORS.items() if physics.protocols])
def test_the_default_preset_is_calibrated_for_what_weighs_by_itself(task):
    restorer = load_restorer(DEFAULT_PRESET, task)
    assert restorer.calibration is not None, restorer.unbounded
    assert set(restorer.calibration.protocols) == set(OPERATORS[task].protocols)


def _another_phi(task):
    """The network of another task's or frame's."""
    from bigprior.presets.store import part_path

    other = "phi-colorization-pixel" if DEGRADATIONS[task].frame != "pixel" else "phi-denoising"
    return part_path(DEFAULT_PRESET, other)


def test_what_is_no_calibration_is_neither_read_nor_replaced(tmp_path):
    path = calibration_path(DEFAULT_PRESET, "denoising", tmp_path)
    check_vacant(path)
    with pytest.raises(SettingsError, match="is no calibration"):
        read_calibration(path)
    path.write_text("{}")
    with pytest.raises(OutputError, match="pass --overwrite"):
        check_vacant(path)
    with pytest.raises(OutputError, match="is no calibration: pass another folder"):
        check_vacant(path, overwrite=True)
    assert path.read_text() == "{}"
