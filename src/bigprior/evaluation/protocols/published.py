"""What was published: the paper's own rows of Tables II to V and Figure 7's correlations, and others' on other sets."""

from __future__ import annotations

#: Published rows by table and set, method to metrics: the paper's own, of which Table III is the mean of three sets;
#: and of the field's tables what their authors, or later papers on the same protocol, say.
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
    # DPIR: Zhang et al., 2021, the pictures in its repository: figs/deblur_1.png, of which its script says the noise,
    # and figs/demosaic_1.png.
    ("deblur", "leaves"): {
        "EPLL": {"psnr": 17.54},
        "FDN": {"psnr": 23.53},
        "IRCNN": {"psnr": 28.45},
        "DPIR": {"psnr": 30.27},
    },
    ("demosaic", "Kodak24"): {
        "Malvar, by MATLAB": {"psnr": 35.78},
        "IRCNN": {"psnr": 40.29},
        "DPIR": {"psnr": 42.68},
        "RNAN": {"psnr": 43.16},
    },
    ("demosaic", "McMaster"): {
        "Malvar, by MATLAB": {"psnr": 34.43},
        "IRCNN": {"psnr": 37.45},
        "DPIR": {"psnr": 39.39},
        "RNAN": {"psnr": 39.70},
    },
    ("awgn15", "CBSD68"): {
        "CBM3D": {"psnr": 33.52},
        "CDnCNN-B": {"psnr": 33.89},
        "FFDNet": {"psnr": 33.87},
        "DRUNet": {"psnr": 34.30},
        "Restormer": {"psnr": 34.40},
    },
    ("awgn25", "CBSD68"): {
        "CBM3D": {"psnr": 30.71},
        "CDnCNN-B": {"psnr": 31.23},
        "FFDNet": {"psnr": 31.21},
        "DRUNet": {"psnr": 31.69},
        "Restormer": {"psnr": 31.79},
    },
    ("awgn50", "CBSD68"): {
        "CBM3D": {"psnr": 27.38},
        "CDnCNN-B": {"psnr": 27.92},
        "FFDNet": {"psnr": 27.96},
        "DRUNet": {"psnr": 28.51},
        "Restormer": {"psnr": 28.60},
    },
    ("awgn25", "Kodak24"): {"FFDNet": {"psnr": 32.13}, "DRUNet": {"psnr": 32.89}},
    ("awgn25", "McMaster"): {"FFDNet": {"psnr": 32.35}, "DRUNet": {"psnr": 33.14}},
    ("real", "CC15"): {"CBM3D": {"psnr": 35.19}, "MCWNNM": {"psnr": 37.70}, "TWSC": {"psnr": 37.81}},
    ("holes", "holes256"): {"MI-GAN": {"psnr": 19.42, "lpips": 0.117}},
}

#: PSNR in dB on the 68 grey pictures of BSD68, by noise level on the 0..255 scale and the prior's name here: BM3D and
#: WNNM from Zhang et al. (IEEE TIP 2017), K-SVD from Chen and Pock (IEEE TPAMI 2017), total variation from Goujon et
#: al. (IEEE TCI 2023).
PUBLISHED_GREY: dict[float, dict[str, float]] = {
    15: {"bm3d": 31.07, "wnnm": 31.37, "dictionary": 30.87, "tv": 29.90},
    25: {"bm3d": 28.57, "wnnm": 28.83, "dictionary": 28.28, "tv": 27.48},
    50: {"bm3d": 25.62, "wnnm": 25.87},
}
#: Figure 7's correlations as published, by set.
PUBLISHED_CORRELATIONS: dict[str, dict[str, float]] = {
    "bedroom": {"phi_sigma": 0.83},
    "church": {"phi_sigma": 0.60, "phi_psnr": 0.56},
    "conference": {"phi_sigma": 0.81},
}
