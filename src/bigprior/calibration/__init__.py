"""Bounds with a guarantee: how far the truth may lie from a restored picture, and whether a picture is like others."""

from bigprior.calibration.bound import Bound
from bigprior.calibration.calibration import Calibration, calibrated
from bigprior.calibration.signals import Parts

__all__ = ["Bound", "Calibration", "Parts", "calibrated"]
