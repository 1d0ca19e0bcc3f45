"""Figure 7: does ``phi`` know how good the measurement is, and how good the prior?"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import pearsonr

from bigprior.degradations.simulation import noise_level
from bigprior.evaluation.tables import Rows


def correlations(rows: Rows, protocol: str) -> dict[str, Any]:
    """Pearson's r of the mean ``phi`` of each picture with its noise, and with how good its prior is.

    Args:
        rows: of a noisy protocol, with the methods ``ours`` and ``prior``.
        protocol: which one.

    Returns:
        ``phi_sigma`` and ``phi_psnr``, of the mean of phi of all bands, of which each counts the same, and
        ``map_sigma``, of that of the map of pixels, which is what people see; each with ``r`` and, from four pictures
        on, the ends ``low`` and ``high`` of its 95 % interval (Fisher's z), or with a ``note`` where one of
        the two does not vary; and under ``points`` a number a picture of ``mean_phi`` and ``map_phi``, of ``sigma`` on
        the 0..255 scale and of the prior's ``psnr``.

    Raises:
        UnknownNameError: no such protocol, or one without noise.
    """
    points = {
        **{name: [s[name] for s in rows.scores["ours"]] for name in ("mean_phi", "map_phi")},
        "sigma": [255 * noise_level(protocol, name) for name in rows.names],
        "psnr": [s["psnr"] for s in rows.scores["prior"]],
    }
    results: dict[str, Any] = {"pictures": len(rows.names)}
    for other in ("sigma", "psnr"):
        results[f"phi_{other}"] = _pearson(points["mean_phi"], points[other])
    results["map_sigma"] = _pearson(points["map_phi"], points["sigma"])
    return results | {"points": points}


def _pearson(a: list[float], b: list[float]) -> dict[str, Any]:
    # Shares that differ by rounding alone say nothing; a prior without any error has no PSNR.
    if not all(np.isfinite(values).all() and np.ptp(values) > 1e-6 for values in (a, b)):
        return {"note": "not defined: one of the two is the same for every picture"}
    found = pearsonr(a, b)
    if len(a) < 4:
        return {"r": float(found.statistic)}
    interval = found.confidence_interval(0.95)
    return {"r": float(found.statistic), "low": float(interval.low), "high": float(interval.high)}
