"""One Markdown page from the tables' JSON files, beside what the paper published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bigprior.atomic import write_text
from bigprior.errors import ImageError

#: The paper's own rows, Tables II to V: by table and set, method to metrics. Table III is the mean of the three sets.
PUBLISHED: dict[tuple[str, str], dict[str, dict[str, float]]] = {
    ("table2", "bedroom"): {
        "Colorful colorization": {"auc": 88.55},
        "Deep image prior": {"auc": 84.33},
        "Feature map opt.": {"auc": 85.41},
        "mGAN prior": {"auc": 88.52},
        "BIGPrior": {"auc": 89.27},
    },
    ("table2", "church"): {
        "Colorful colorization": {"auc": 89.13},
        "Deep image prior": {"auc": 83.31},
        "Feature map opt.": {"auc": 86.10},
        "mGAN prior": {"auc": 89.69},
        "BIGPrior": {"auc": 90.64},
    },
    ("table3", "mean"): {
        "DeepFill v2": {"psnr": 26.56, "ssim": 0.9555, "lpips": 0.0191},
        "Feature map opt.": {"psnr": 14.75, "ssim": 0.4563},
        "Deep image prior": {"psnr": 17.92, "ssim": 0.4327},
        "mGAN prior": {"psnr": 20.55, "ssim": 0.5823, "lpips": 0.2070},
        "BIGPrior": {"psnr": 25.32, "ssim": 0.9240, "lpips": 0.0376},
    },
    ("table4", "bedroom"): {
        "mGAN prior": {"psnr": 20.34, "ssim": 0.5902, "lpips": 0.2134},
        "BIGPrior": {"psnr": 23.22, "ssim": 0.8598, "lpips": 0.0775},
    },
    ("table4", "church"): {
        "mGAN prior": {"psnr": 19.33, "ssim": 0.5359, "lpips": 0.2235},
        "BIGPrior": {"psnr": 21.94, "ssim": 0.8509, "lpips": 0.0855},
    },
    ("table4", "conference"): {
        "mGAN prior": {"psnr": 19.38, "ssim": 0.5641, "lpips": 0.2062},
        "BIGPrior": {"psnr": 22.20, "ssim": 0.8318, "lpips": 0.0785},
    },
    ("table5", "bedroom"): {
        "DnCNN": {"psnr": 24.96, "ssim": 0.5804, "lpips": 0.1859},
        "mGAN prior": {"psnr": 22.72, "ssim": 0.6257, "lpips": 0.1978},
        "BIGPrior": {"psnr": 26.80, "ssim": 0.7279, "lpips": 0.0998},
    },
    ("table5", "church"): {
        "DnCNN": {"psnr": 22.40, "ssim": 0.5166, "lpips": 0.2046},
        "mGAN prior": {"psnr": 21.12, "ssim": 0.5643, "lpips": 0.2065},
        "BIGPrior": {"psnr": 23.38, "ssim": 0.5959, "lpips": 0.1435},
    },
    ("table5", "conference"): {
        "DnCNN": {"psnr": 22.81, "ssim": 0.5310, "lpips": 0.2167},
        "mGAN prior": {"psnr": 21.49, "ssim": 0.5962, "lpips": 0.1968},
        "BIGPrior": {"psnr": 24.70, "ssim": 0.6578, "lpips": 0.1192},
    },
}

_TITLES = {
    "table2": "Colorization (Table II)",
    "table3": "Inpainting, a hole of 64x64 in the centre (Table III)",
    "table4": "Inpainting, two to four random boxes (Table IV)",
    "table5": "Blind denoising, sigma 5 to 50 (Table V)",
}
#: Column heading and format of each figure, in the order of the columns.
_COLUMNS = {
    "auc": ("AuC %", "{:.2f}"),
    "psnr": ("PSNR dB", "{:.2f}"),
    "ssim": ("SSIM", "{:.4f}"),
    "lpips": ("LPIPS", "{:.4f}"),
    "mean_phi": ("mean phi", "{:.3f}"),
    "phi_sigma_r": ("r(phi, sigma)", "{:.3f}"),
    "seconds": ("s / picture", "{:.2f}"),
}


def write_results(folder: Path, page: Path) -> list[str]:
    """Write a page from every ``TABLE-SET.json`` in ``folder``, as ``bigprior evaluate TABLE --json`` wrote it.

    Returns:
        The names of the files that it shows.

    Raises:
        ImageError: there is none.
    """
    found = {}
    for path in sorted(folder.glob("table?-*.json")):
        table, _, name = path.stem.partition("-")
        if table in _TITLES:
            found[table, name] = json.loads(path.read_text(encoding="utf-8"))
    if not found:
        raise ImageError(f"no results in {folder}: expected files such as table5-bedroom.json of `bigprior evaluate`")
    parts = [
        "# Results",
        "",
        "The paper's test pictures (LSUN validation 250-299) at 256x256. `input` is the fidelity term, `prior` the",
        "prior alone, `ours` their fusion; other rows in plain type are methods from packages, run on the same pixels.",
        "Rows in *italics* are as published. Seconds are of one picture, on the machine that ran them all.",
    ]
    for table, title in _TITLES.items():
        for name in [n for t, n in found if t == table]:
            parts += ["", f"## {title}: {name}", "", *_rows(found[table, name], PUBLISHED.get((table, name), {}))]
        if (table, "mean") in PUBLISHED and any(t == table for t, _ in found):
            parts += ["", f"## {title}: mean of the three sets, as published", ""]
            parts += _rows({}, PUBLISHED[table, "mean"])
    write_text(page, "\n".join(parts) + "\n")
    return [f"{t}-{n}.json" for t, n in found]


def _rows(results: dict[str, Any], published: dict[str, dict[str, float]]) -> list[str]:
    methods = {m: r for m, r in results.items() if m != "missing"}
    rows = [(f"*{m}*", r) for m, r in published.items()]
    rows += [(f"**{m}**" if m == "ours" else m, r) for m, r in methods.items()]
    columns = [c for c in _COLUMNS if any(c in r for _, r in rows)]
    lines = ["| method | " + " | ".join(_COLUMNS[c][0] for c in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for method, row in rows:
        cells = [_COLUMNS[c][1].format(row[c]) if c in row else "" for c in columns]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    notes = [f"Left out: {m} {why}." for m, why in results.get("missing", {}).items()]
    return lines + (["", *notes] if notes else [])
