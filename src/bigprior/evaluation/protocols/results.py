"""One Markdown page, with its plots, from the JSON files of tables and figures, beside what the paper published."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bigprior.degradations.simulation import protocols
from bigprior.errors import ImageError
from bigprior.evaluation.metrics import METRICS
from bigprior.evaluation.plots import frames_figure, scatter_figure, table_figure
from bigprior.evaluation.protocols.published import PUBLISHED, PUBLISHED_CORRELATIONS
from bigprior.evaluation.protocols.titles import FIELD, GALLERY, TITLES
from bigprior.evaluation.protocols.truth import shown as truth_parts
from bigprior.io.atomic import write_text
from bigprior.report.folder import save_figure

#: Such a file's name: NAME-SET, or with a level, NAME25-SET.
_FIELD_FILE = re.compile(rf"({'|'.join(FIELD)})(\d*)-(.+)")
#: What names a table in a file that holds several, one a level.
_LEVELS = ("quality-", "peak-")
#: Files of other measurements.
_OTHERS = ("figure7-*.json", "frames-*.json", "truth-*.json", "ablations.json")
#: What a table's file says beside its rows.
_ASIDE = ("pictures", "made", "missing", "notes")
#: Column heading and format of each figure, in the order of the columns.
_COLUMNS = {
    "auc": ("AuC %", "{:.2f}"),
    "psnr_y": ("PSNR dB, Y", "{:.2f}"),
    "psnr": ("PSNR dB", "{:.2f}"),
    "above_bm3d": ("above BM3D", "{:+.2f}"),
    "published": ("published", "{:.2f}"),
    "published_above_bm3d": ("published, above BM3D", "{:+.2f}"),
    "difference": ("difference", "{:+.2f}"),
    "ssim": ("SSIM", "{:.4f}"),
    "lpips": ("LPIPS", "{:.4f}"),
    "hole_psnr": ("PSNR dB, hole", "{:.2f}"),
    "hole_ssim": ("SSIM, hole", "{:.4f}"),
    "hole_lpips": ("LPIPS, hole", "{:.4f}"),
    "ab_error": ("ab error", "{:.2f}"),
    "saturation": ("saturation", "{:.2f}"),
    "hue_unity": ("hue unity", "{:.3f}"),
    "mean_phi": ("mean phi", "{:.3f}"),
    "share": ("made up", "{:.1%}"),
    "unchanged": ("unchanged", "{:.2%}"),
    "phi_outside": ("phi outside [0, 1]", "{:.1%}"),
    "inconsistency": ("inconsistency", "{:.1e}"),
    "phi_sigma_r": ("r(phi, sigma)", "{:.3f}"),
    "phi_error_r": ("r(phi, error)", "{:.3f}"),
    "parameters": ("parameters", "{:,}"),
    "gflop": ("GFLOP", "{:.1f}"),
    "seconds": ("s / picture", "{:.2f}"),
}
#: What is always 0 in a table of ours, and so worth a column in the ablations alone.
_HIDDEN = ("phi_outside",)


def write_results(folder: Path, page: Path) -> list[str]:
    """Write a page from what ``bigprior evaluate NAME --json`` wrote into ``folder``, and its plots beside it.

    Tables are ``TABLE-SET.json``; with a few pictures and slow methods, ``slow-TABLE-SET.json``; the field's own
    ``awgn25-SET.json``, ``real-SET.json``, ``jpeg10-SET.json``, ``holes-SET.json`` and ``colours-SET.json``; the others
    ``figure7-SET.json``, ``frames-SET.json``, ``truth-SET.json`` and ``ablations.json``. Plots go to ``images`` beside
    the page; pictures of the gallery are shown if they are in ``images/gallery``.

    Returns:
        The names of the files that it shows.

    Raises:
        ImageError: there is none.
        OutputError: the page or a plot cannot be written.
    """
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in _shown(folder)}
    if not found:
        raise ImageError(f"no results in {folder}: expected files such as table5-bedroom.json of `bigprior evaluate`")
    parts = [
        "# Results",
        "",
        "The paper's test pictures (LSUN validation 250-299) at 256x256. `input` is the fidelity term, `prior` the",
        "prior alone, `ours` their fusion; other rows in plain type are methods from packages, run on the same pixels.",
        "Rows in *italics* are as published. Seconds, where given, are of one picture on a machine that did other work",
        "as well: `python benchmarks/restoration.py` measures them alone. The field's own sets follow the paper's.",
    ]
    for table, title in _titles().items():
        parts += _table_parts(table, title, found, page)
    for stem, results in found.items():
        if (named := _FIELD_FILE.fullmatch(stem)) is not None:
            parts += _field_parts(named, results)
    parts += _correlation_parts(found, page)
    parts += _frame_parts(found, page)
    for stem, results in found.items():
        if stem.startswith("truth-"):
            parts += truth_parts(stem.removeprefix("truth-"), results)
    parts += _gallery_parts(page)
    if "ablations" in found:
        parts += _ablation_parts(found["ablations"])
    write_text(page, "\n".join(parts) + "\n")
    return [f"{name}.json" for name in found]


def _shown(folder: Path) -> list[Path]:
    listed = sorted(folder.glob("*-*.json"))
    tables = [path for path in listed if _FIELD_FILE.fullmatch(path.stem) or _named(path.stem)[0] in _titles()]
    return tables + [path for names in _OTHERS for path in sorted(folder.glob(names))]


def _titles() -> dict[str, str]:
    """The title of every table: the paper's, and one of any other protocol."""
    return TITLES | {name: f"Measurements of the protocol {name}" for name in protocols()}


def _named(stem: str) -> tuple[str, str]:
    """Table and set of a file called ``stem``, slow or not."""
    stem = stem.removeprefix("slow-")
    # A protocol's name may hold a dash, and begin as another does.
    table = max((name for name in _titles() if stem.startswith(f"{name}-")), key=len, default=stem.partition("-")[0])
    return table, stem[len(table) + 1 :]


def _table_parts(table: str, title: str, found: dict[str, Any], page: Path) -> list[str]:
    parts: list[str] = []
    of_table = {stem: results for stem, results in found.items() if _named(stem)[0] == table}
    for stem, results in of_table.items():
        slow, name = stem.startswith("slow-"), _named(stem)[1]
        heading = f"{title}: {name}" + (", slow methods" if slow else "")
        parts += ["", f"## {heading}", ""]
        if "pictures" in results:
            made = f" Made {results['made']}." if "made" in results else ""
            parts += [f"Means of {results['pictures']} pictures.{made}", ""]
        parts += _rows(results, {} if slow else PUBLISHED.get((table, name), {}))
    if of_table and (table, "mean") in PUBLISHED:
        parts += ["", f"## {title}: mean of the three sets, as published", ""]
        parts += _rows({}, PUBLISHED[table, "mean"])
    measured = {_named(stem)[1]: _methods(r) for stem, r in of_table.items() if not stem.startswith("slow-")}
    if any(measured.values()):
        published = {name: rows for (of, name), rows in PUBLISHED.items() if of == table}
        parts += _plot(table_figure(title, measured, published), page, f"{table}.png", f"{title}, as points")
    return parts


def _field_parts(named: re.Match[str], results: dict[str, Any]) -> list[str]:
    """A table of the field, from its file's name: what, its level, the set."""
    title, said = FIELD[named[1]]
    heading = ["", f"## {title.format(named[2])}: {named[3]}", "", said]
    if "pictures" in results:
        heading += ["", f"Means of {results['pictures']} pictures, of results rounded to 8 bits."]
    levels = {level: rows for level, rows in results.items() if level.startswith(_LEVELS)}
    for level, rows in levels.items():
        heading += ["", f"### {level.replace('-', ' ').capitalize()}", ""]
        heading += [f"Means of {rows['pictures']} pictures.", ""] if "pictures" in rows else []
        heading += _rows(rows, {})
    return heading if levels else [*heading, "", *_rows(results, PUBLISHED.get((named[1] + named[2], named[3]), {}))]


def _correlation_parts(found: dict[str, Any], page: Path) -> list[str]:
    sets = {stem.partition("-")[2]: results for stem, results in found.items() if stem.startswith("figure7-")}
    if not sets:
        return []
    parts = [
        "",
        "## What phi knows (Figure 7)",
        "",
        "Pearson's r, with its 95 % interval, of the mean of phi in blind denoising with the noise level, and with the",
        "PSNR of the prior alone; and of the mean of phi's map of pixels, which counts what is seen, with the noise",
        "level. In italics as published.",
        "",
        "| set | pictures | r(phi, sigma) | r(phi, PSNR of the prior) | r(map, sigma) |",
        "|---|---|---|---|---|",
    ]
    for name, results in sets.items():
        published = PUBLISHED_CORRELATIONS.get(name, {})
        cells = [_correlation(results[k], published.get(k)) for k in ("phi_sigma", "phi_psnr", "map_sigma")]
        parts.append(f"| {name} | {results['pictures']} | " + " | ".join(cells) + " |")
    return parts + _plot(scatter_figure(sets), page, "figure7.png", "mean phi over noise and over the prior's PSNR")


def _correlation(found: dict[str, Any], published: float | None) -> str:
    text = f"{found['r']:.2f}" if "r" in found else str(found["note"])
    if "low" in found:
        text += f" ({found['low']:.2f} to {found['high']:.2f})"
    return text if published is None else f"{text}; *{published:.2f}*"


def _frame_parts(found: dict[str, Any], page: Path) -> list[str]:
    parts: list[str] = []
    for stem, results in found.items():
        if not stem.startswith("frames-"):
            continue
        name = stem.partition("-")[2]
        parts += [
            "",
            f"## What is made up, in pixels and in other frames: {name}",
            "",
            "The same prior, fused in two frames ([what that means](explanation/frames.md)). Blind denoising;",
            "`made up` is the share of the restored picture's variance that comes from the prior. Hollow marks in the",
            "plot: these rows.",
            "",
            *_grid([(frame, row) for frame, row in results.items() if "curve" in row], "frame", _HIDDEN),
            "",
            "Colorization; `inconsistency` is the largest difference between f of a restored picture and its",
            "measurement.",
            "",
            *_grid(list(results["colorization"].items()), "frame", ()),
        ]
        parts += _plot(frames_figure(results), page, f"frames-{name}.png", "PSNR over what is made up, by frame")
    return parts


def _gallery_parts(page: Path) -> list[str]:
    parts: list[str] = []
    for name, what in GALLERY.items():
        if (page.parent / "images" / "gallery" / f"{name}.png").is_file():
            parts += ["", f"![{what}](images/gallery/{name}.png)", "", f"*{what[0].upper()}{what[1:]}.*"]
    # The test pictures belong to their owners, and are not shown.
    shown = "Photographs that scikit-image carries (astronaut, rocket: public domain; chelsea, coffee: CC0), 256x256."
    return ["", "## Gallery", "", shown, *parts] if parts else []


def _ablation_parts(results: dict[str, Any]) -> list[str]:
    rows = {name: row for name, row in results.items() if name != "training"}
    return [
        "",
        "## What the parts of the phi network are worth",
        "",
        "Colorization of bedrooms with the paper's own priors. Every network was trained on pictures 0-199, for only",
        f"{results['training']['steps']} steps on the same crops, and scored on 200-249: rows compare with each other, "
        "not with the tables",
        "above. Parameters, GFLOP and seconds are of the network alone, on 256x256 pixels.",
        "",
        *_grid(list(rows.items()), "network", ()),
    ]


def _plot(figure: Figure, page: Path, name: str, alternative: str) -> list[str]:
    save_figure(figure, page.parent / "images" / name)
    return ["", f"![{alternative}](images/{name})"]


def _methods(results: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {method: row for method, row in results.items() if method not in _ASIDE}


def _rows(results: dict[str, Any], published: dict[str, dict[str, float]]) -> list[str]:
    rows = [(f"*{m}*", r) for m, r in published.items()]
    rows += [(f"**{m}**" if m == "ours" else m, r) for m, r in _methods(results).items()]
    notes = [f"{m}: {note}." for m, note in results.get("notes", {}).items()]
    notes += [f"Left out: {m} {why}." for m, why in results.get("missing", {}).items()]
    return _grid(rows, "method", _HIDDEN) + [line for note in notes for line in ("", note)]


def _grid(rows: list[tuple[str, dict[str, float]]], first: str, hidden: tuple[str, ...]) -> list[str]:
    named = _COLUMNS | {metric: (metric, "{:.4g}") for metric in METRICS if metric not in _COLUMNS}
    columns = [c for c in named if c not in hidden and any(c in r for _, r in rows)]
    lines = [f"| {first} | " + " | ".join(named[c][0] for c in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows:
        cells = [named[c][1].format(row[c]) if c in row else "" for c in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines
