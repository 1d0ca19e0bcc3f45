"""Plots of the results: a table as points, Figure 7's scatter, and the gallery. The same figures, the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from bigprior.evaluation.metrics import METRICS
from bigprior.io.arrays import to_numpy
from bigprior.report.shown import shrunk
from bigprior.restoration import Restoration

#: Okabe and Ito's colours, told apart with any colour vision; each set has its shape too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_SHAPES = ("o", "s", "^", "D", "v", "P")
#: The paper's sets, which look the same in every plot.
_SETS = ("bedroom", "church", "conference")
#: Axis title of each metric, with the way that is better.
_METRICS = {"auc": "AuC %, more is better", "psnr": "PSNR dB, more is better", "ssim": "SSIM, more is better"}
_METRICS["lpips"] = "LPIPS, less is better"
#: Side of a picture in the gallery, in inches at :data:`_DPI`.
_SIDE, _DPI = 1.45, 100

#: A table: method to metrics.
Table = Mapping[str, Mapping[str, float]]


def table_figure(title: str, tables: Mapping[str, Table], published: Mapping[str, Table]) -> Figure:
    """A table as points: a line a method, a column a metric, a shape and colour a set of pictures.

    Args:
        title: of the whole.
        tables: measured figures by set.
        published: the paper's by set, drawn hollow.
    """
    sets = sorted({*tables, *published}, key=lambda name: (name not in _SETS, name == "mean", name))
    measured = _methods(tables)
    told = _methods(published)
    metrics = [m for m in {**_METRICS, **METRICS} if any(m in row for t in tables.values() for row in t.values())]
    labels = [f"{name} (published)" for name in told] + measured
    size = (2.6 * len(metrics) + 2.2, 0.24 * len(labels) + 1.3)
    figure = Figure(figsize=size, layout="constrained", dpi=_DPI)
    columns = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axes, metric in zip(columns, metrics, strict=True):
        for name, colour, shape in _looks(sets):
            for source, methods, first, filled in (
                (published.get(name, {}), told, 0, False),
                (tables.get(name, {}), measured, len(told), True),
            ):
                points = [(source[m][metric], first + j) for j, m in enumerate(methods) if metric in source.get(m, {})]
                if points:
                    face = colour if filled else "none"
                    xs, ys = zip(*points, strict=True)
                    axes.plot(xs, ys, shape, color=colour, markersize=5, markerfacecolor=face)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(_METRICS.get(metric, metric), fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
    columns[0].set_yticks(range(len(labels)), labels, fontsize=8)
    columns[0].set_ylim(len(labels) - 0.5, -0.5)
    for text in columns[0].get_yticklabels():
        text.set_weight("bold" if text.get_text() == "ours" else "normal")
    figure.suptitle(title, fontsize=10)
    keys = [Line2D([], [], color=c, marker=m, linestyle="none", label=n) for n, c, m in _looks(sets)]
    keys.append(Line2D([], [], color="0.4", marker="o", markerfacecolor="none", linestyle="none", label="published"))
    figure.legend(handles=keys, fontsize=8, loc="outside lower center", ncols=len(keys), frameon=False)
    return figure


def scatter_figure(sets: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Figure 7: the mean of ``phi`` of each picture over its noise (a), and over its prior's PSNR (b).

    Args:
        sets: results of :func:`bigprior.evaluation.figure7.correlations` by the name of the set.
    """
    figure = Figure(figsize=(7.4, 3.8), layout="constrained", dpi=_DPI)
    columns = figure.subplots(1, 2, sharey=True)
    titles = {"sigma": "(a) noise level sigma (0..255)", "psnr": "(b) PSNR of the prior, dB"}
    for axes, (other, title) in zip(columns, titles.items(), strict=True):
        for name, colour, shape in _looks(list(sets)):
            results = sets[name]
            found = results[f"phi_{other}"]
            axes.scatter(
                results["points"][other],
                results["points"]["mean_phi"],
                s=16,
                color=colour,
                marker=shape,
                alpha=0.8,
                linewidths=0,
                label=f"{name}, r = {found['r']:.2f}" if "r" in found else f"{name}, r not defined",
            )
        axes.set_xlabel(title, fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    columns[0].set_ylabel("mean phi of the picture", fontsize=8)
    return figure


def frames_figure(results: Mapping[str, Any]) -> Figure:
    """What accuracy costs in what is made up: a curve a frame, over every weight of what is made up.

    Args:
        results: of :func:`bigprior.evaluation.frames.frame_figures`.
    """
    figure = Figure(figsize=(5.2, 3.8), layout="constrained", dpi=_DPI)
    axes = figure.subplots()
    for frame, colour, shape in _looks([name for name, row in results.items() if "curve" in row]):
        points = sorted((point["share"], point["psnr"]) for point in results[frame]["curve"].values())
        axes.plot(*zip(*points, strict=True), marker=shape, markersize=4, color=colour, label=frame)
        axes.plot(results[frame]["share"], results[frame]["psnr"], shape, markersize=10, color=colour, fillstyle="none")
    axes.set_xlabel("share of the variance that is made up", fontsize=8)
    axes.set_ylabel("PSNR dB, more is better", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    return figure


def gallery_figure(rows: Sequence[tuple[Restoration, Tensor]]) -> Figure:
    """Restorations of one picture each, in rows: measured, prior, ``phi``, restored, truth.

    Args:
        rows: a restoration and the truth (1, 3, H, W) in [0, 1].
    """
    titles = ("measured", "prior", "phi", "restored", "truth")
    figure = Figure(figsize=(_SIDE * len(titles) + 0.6, _SIDE * len(rows) + 0.5), layout="constrained", dpi=_DPI)
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    heat = None
    for line, (restoration, truth) in zip(grid, rows, strict=True):
        phi = shrunk(restoration.phi.mean(dim=1, keepdim=True), round(_SIDE * _DPI))
        y = restoration.measurement if restoration.measurement.shape[1] in (1, 3) else restoration.fidelity
        shown = (y.expand(-1, 3, -1, -1), restoration.prior, None, restoration.restored, truth)
        for axes, image in zip(line, shown, strict=True):
            axes.set_axis_off()
            if image is None:
                heat = axes.imshow(phi[0, 0].numpy(), vmin=0, vmax=1, cmap="inferno")
                axes.set_title(f"{restoration.mean_share:.0%} made up", fontsize=7, pad=2)
            else:
                axes.imshow(to_numpy(shrunk(image, round(_SIDE * _DPI))))
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(f"{title}, {axes.get_title()}" if axes.get_title() else title, fontsize=8, pad=2)
    if heat is not None:
        bar = figure.colorbar(heat, ax=grid, fraction=0.015, pad=0.01)
        bar.set_label("phi: 0 = measured, 1 = made up", fontsize=7)
        bar.ax.tick_params(labelsize=7)
    return figure


def sheet_figure(columns: Sequence[tuple[str, Restoration]], across: int = 6) -> Figure:
    """Restorations of one measurement by different priors: each picture, and below it its ``phi``.

    Args:
        columns: what each is called, and the restoration.
        across: how many stand in a row, at most.
    """
    across = min(across, len(columns))
    lines = 2 * -(-len(columns) // across)
    height, width = columns[0][1].restored.shape[2:]
    tall = _SIDE * height / width + 0.28
    figure = Figure(figsize=(_SIDE * across + 0.7, tall * lines + 0.2), layout="constrained", dpi=_DPI)
    grid = figure.subplots(lines, across, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    heat = None
    for i, (name, restoration) in enumerate(columns):
        above, below = (grid[2 * (i // across) + k][i % across] for k in (0, 1))
        above.imshow(to_numpy(shrunk(restoration.restored, 2 * round(_SIDE * _DPI))))
        above.set_title(name, fontsize=7, pad=2)
        phi = restoration.phi.mean(dim=1, keepdim=True)
        heat = below.imshow(phi[0, 0].numpy(), vmin=0, vmax=1, cmap="inferno", interpolation="nearest")
        below.set_title(f"phi {float(phi.mean()):.2f}", fontsize=7, pad=2)
    assert heat is not None  # a sheet of nothing is none
    bar = figure.colorbar(heat, ax=grid, fraction=0.012, pad=0.01)
    bar.set_label("phi: 0 = measured, 1 = from the prior", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    return figure


def _methods(tables: Mapping[str, Table]) -> list[str]:
    """Every method of any set, in their order."""
    return list(dict.fromkeys(method for table in tables.values() for method in table))


def _looks(sets: Sequence[str]) -> list[tuple[str, str, str]]:
    """Name, colour and shape of each set; the paper's have their own."""
    order = [*_SETS, *(name for name in sets if name not in _SETS)]
    places = [order.index(name) for name in sets]
    return [
        (name, _COLOURS[i % len(_COLOURS)], _SHAPES[i % len(_SHAPES)]) for name, i in zip(sets, places, strict=True)
    ]
