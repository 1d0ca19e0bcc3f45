"""Texture for a filling: the fine detail of known blocks, laid side by side.

Deep in a hole a network knows the colours, and what it draws finer is a habit of its own: scratches, and a grid. Blocks
of what is known, where it has such colours, have the detail of the photograph itself (image quilting: Efros and
Freeman, SIGGRAPH 2001).
"""

from __future__ import annotations

import scipy.ndimage
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from bigprior.ops.boxes import box_mean

#: Side of a block and of the cells whose colours say which blocks are alike, and how far apart blocks lie, in pixels.
_SIDE, _CELL, _STEP = 8, 2, 4
#: What is finer than this Gaussian, in pixels, is detail.
_SIGMA = 2.0
#: From so far inside a hole, over so many pixels, this share of a filling's own detail gives way: chosen, as the share
#: of what takes its place, on photographs of cid22, clic2025 and BSDS500's validation part with wide holes.
_DEEP, _OVER, _GIVES_WAY = 4, 16, 0.6
#: How many blocks of like colours are looked at, and of how many of these that fit their neighbours one is drawn.
_ALIKE, _FITTING = 24, 4
#: A block as far away as the window is long is as much less alike, as a squared difference of colours.
_AWAY = 0.01
#: A block whose colours are as different as this, a mean square, gives half of its detail.
_UNLIKE = 0.01
#: How many pairs of a block and a known one are looked at in all, but at least so many known ones for each; and how
#: many blocks of the filling at once.
_PAIRS, _SOURCES, _AT_ONCE = 50_000_000, 2_500, 1_000
#: Side of the box in which it is seen how much detail there is, in pixels, and energy that is none.
_BOX, _NONE = 9, 1e-8
#: Blocks of a class share no pixel.
_CLASSES = ((0, 0), (1, 1), (0, 1), (1, 0))


def quilted(filling: Tensor, known: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """A filling with less detail of its own deep in holes, and as much of what is known as it then has too little of.

    Each block takes the detail of a known one of nearly the same colours, near by, that fits what lies beside it.
    Blocks overlap by half, and their weights' squares sum to 1, so that detail that is not alike stays as strong.

    Args:
        filling: a window of a picture (1, 3, H, W), RGB in [0, 1], holes filled.
        known: (1, 1, H, W), 1 = known, 0 = hole.
        share: of the detail that is missing, as an amplitude.
        rng: draws the blocks.

    Returns:
        (1, 3, H, W), what is known as it was; the filling itself where too little is known.
    """
    height, width = filling.shape[2:]
    edges = (0, -width % _STEP, 0, -height % _STEP)
    if min(height, width) < _SIDE:
        return filling
    picture, mask = (F.pad(x, edges, mode="replicate") for x in (filling, known))
    sources = (F.avg_pool2d(mask, _SIDE, 1)[0, 0] > 1 - 1e-4).nonzero()
    if len(sources) < _ALIKE:
        return filling
    picture = picture - _habit(mask) * (picture - _blurred(picture))
    coarse = _blurred(picture)
    fine = picture - coarse
    detail = _Detail(fine, mask)
    most = max(_SOURCES, _PAIRS // max(1, len(detail)))
    if len(sources) > most:
        sources = sources[torch.randperm(len(sources), generator=rng, device=rng.device)[:most]]
    cells = F.avg_pool2d(coarse, _CELL, 1)[0]
    colours = _colours(cells, sources)
    for row, column in _CLASSES:
        places = detail.unfilled(row, column)
        for some in places.split(_AT_ONCE):
            unlike = torch.cdist(_colours(cells, some), colours).square() / colours.shape[1]
            unlike += _AWAY * (torch.cdist(some.float(), sources.float()) / max(picture.shape[2:])).square()
            best = unlike.topk(_ALIKE, dim=1, largest=False)
            detail.lay(some, sources[best.indices], best.values, rng)
    texture = detail.laid()
    have, has = (box_mean((x * x).mean(1, keepdim=True), _BOX) for x in (texture, fine))
    missing = ((have - has).clamp_min(0) / have.clamp_min(_NONE)).sqrt()
    out = torch.where(mask > 0, picture, picture + share * missing * texture)
    return out[..., :height, :width]


def _habit(known: Tensor) -> Tensor:
    """How much of a filling's detail gives way, place by place."""
    depth = scipy.ndimage.distance_transform_edt(known[0, 0].cpu().numpy() < 0.5)
    return _GIVES_WAY * ((torch.from_numpy(depth).to(known) - _DEEP) / _OVER).clamp(0, 1)


def _blurred(picture: Tensor) -> Tensor:
    blurred: Tensor = gaussian_blur(picture, [6 * round(_SIGMA) + 1] * 2, [_SIGMA] * 2)
    return blurred


def _colours(cells: Tensor, places: Tensor) -> Tensor:
    """The colours (P, 48) of the blocks at places (P, 2), by the mean of each cell (3, h, w)."""
    offsets = range(0, _SIDE, _CELL)
    return torch.cat([cells[:, places[:, 0] + i, places[:, 1] + j] for i in offsets for j in offsets]).T


class _Detail:
    """The detail of a picture (3, H, W), known, and laid block by block where it is not."""

    def __init__(self, fine: Tensor, known: Tensor) -> None:
        self._blocks = fine[0].unfold(1, _SIDE, 1).unfold(2, _SIDE, 1)
        self._placed, self._have = fine[0] * known[0], known[0, 0].clone()
        self._hole = F.max_pool2d(1 - known, _SIDE, _STEP)[0, 0]
        self._sum, self._weight = torch.zeros_like(fine[0]), torch.zeros_like(known[0, 0])
        window = torch.hann_window(_SIDE + 2, periodic=False, device=fine.device)[1:-1]
        self._window = (window[:, None] * window).sqrt()
        self._inside = torch.arange(_SIDE, device=fine.device)

    def __len__(self) -> int:
        """How many blocks are to be laid."""
        return int((self._hole > 0).sum())

    def unfilled(self, row: int, column: int) -> Tensor:
        """The places (P, 2) of every second block a side, from these on, that are not wholly known."""
        every = torch.zeros_like(self._hole)
        every[row::2, column::2] = 1
        return _STEP * (self._hole * every > 0).nonzero()

    def lay(self, places: Tensor, sources: Tensor, unlike: Tensor, rng: torch.Generator) -> None:
        """Lay one of the blocks (P, K, 2) that fit best at each place (P, 2); ``unlike`` (P, K) is by their colours."""
        rows, columns = (places[:, i, None, None] + axis for i, axis in ((0, self._inside[:, None]), (1, self._inside)))
        blocks = self._blocks[:, sources[..., 0], sources[..., 1]]  # (3, P, K, side, side)
        have, placed = self._have[rows, columns], self._placed[:, rows, columns]
        count = have.sum((1, 2))[:, None]
        differs = ((blocks - placed[:, :, None]).square() * have[:, None]).sum((0, 3, 4)) / (3 * count).clamp_min(1)
        cost = unlike + differs * (2 * count / _SIDE**2).clamp_max(1)
        fitting = cost.topk(_FITTING, dim=1, largest=False).indices
        drawn = torch.randint(_FITTING, (len(places), 1), generator=rng, device=rng.device)
        chosen = blocks[:, torch.arange(len(places), device=places.device), fitting.gather(1, drawn)[:, 0]]
        chosen = chosen / (1 + unlike.gather(1, fitting.gather(1, drawn))[..., None] / _UNLIKE)
        self._placed[:, rows, columns] = torch.where(have > 0, placed, chosen)
        self._have[rows, columns] = 1
        self._sum[:, rows, columns] += self._window * chosen
        self._weight[rows, columns] += self._window.square()

    def laid(self) -> Tensor:
        """The detail that was laid (1, 3, H, W)."""
        return (self._sum / self._weight.clamp_min(_NONE).sqrt())[None]
