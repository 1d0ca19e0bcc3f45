"""Tratteggio: what was made up, drawn as fine lines, so that nobody takes it for what was measured.

A restorer of paintings fills a loss with fine upright strokes, which are seen from near, vanish from afar (Brandi,
1945), and can be taken off. Here too: where phi is large, every few columns a pixel's values change by an eighth of
their range, the more columns the larger phi is. Drawn once more, the lines are gone, and the picture is what it was,
bit for bit.
"""

from __future__ import annotations

import numpy as np

from bigprior.io.samples import Array

#: From which phi on, of 255, lines are drawn, and so many columns apart.
_LINES = ((64, 8), (128, 4), (192, 2))


def hatched(samples: Array, phi: Array) -> Array:
    """A picture with lines where it was made up; of a picture with lines, the picture without.

    Args:
        samples: (H, W, C), uint8 or uint16.
        phi: (H, W), uint8: 255 = all made up, as ``phi.png`` has it.
    """
    columns = np.arange(samples.shape[1])
    lines = np.zeros(phi.shape, bool)
    for least, apart in _LINES:
        lines |= (phi >= least) & (columns % apart == 0)
    # Adding and subtracting would leave the range of light and dark pixels; this bit changes by itself.
    bit = samples.dtype.type(1 << (8 * samples.dtype.itemsize - 3))
    drawn: Array = np.where(lines[:, :, None], samples ^ bit, samples)
    return drawn
