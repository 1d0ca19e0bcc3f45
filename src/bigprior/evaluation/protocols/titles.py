"""What the parts of the results page are called, and what a reader has to know of each."""

from __future__ import annotations

#: The paper's tables.
TITLES = {
    "table2": "Colorization (Table II)",
    "table3": "Inpainting, a hole of 64x64 in the centre (Table III)",
    "table4": "Inpainting, two to four random boxes (Table IV)",
    "table5": "Blind denoising, sigma 5 to 50 (Table V)",
}
#: The field's own tables, by what their files begin with: the title, and what a reader has to know.
FIELD = {
    "awgn": (
        "White noise of sigma {}, blind",
        "Noise is not clipped. Ours is not told how much it is; models that are say so, and most published ones were.",
    ),
    "classical": (
        "White noise of sigma {}, grey, told",
        "The classical priors by themselves; noise is not clipped. What was published is of all 68 pictures of BSD68, "
        "which are these in grey. Beside each figure stands by how much it is above BM3D's on the same pictures.",
    ),
    "real": ("Cameras' own noise, blind", "The truth is the mean of many shots."),
    "jpeg": ("JPEG of quality {}, blind", "Decoded, and denoised without being told what happened."),
    "dejpeg": (
        "JPEG files",
        "4:2:0 and Pillow's tables. `input` is as libjpeg decodes the file; unchanged are the numbers in it that are "
        "the same when the result is stored with the file's tables again.",
    ),
    "poisson": ("Shot noise", "The peak is the count of white, which all are told."),
    "upscale": (
        "Pictures {} times smaller",
        "Made smaller by MATLAB's bicubic kernel. PSNR of Y is that of the luma, without as many pixels at the border "
        "as the factor.",
    ),
    "deblur": (
        "Known blur",
        "Circular, by Levin's first and fourth kernels, with white noise of sigma 2.55; `leaves` by the fourth, with "
        "noise of 7.65.",
    ),
    "demosaic": (
        "Bayer mosaics",
        "RGGB, without noise, and without 10 pixels at the border; `input` is bilinear. Published figures (Zhang et "
        "al., 2021) are of all pictures, of Kodak's at 768x512.",
    ),
    "holes": (
        "Holes",
        "Columns of the hole are of its pixels alone; what is around them is known, and all rows have it as it is.",
    ),
    "colours": (
        "Lost colours",
        "`input` is grey. Saturation is the mean distance from grey in the ab plane of CIELAB; hue unity is 1 for a "
        "picture of one tint, such as sepia. `truth` has those of the pictures as they were. r(phi, error) is "
        "Spearman's, of phi's map with the distance of each pixel's colour from the true one.",
    ),
}
#: Pictures of the gallery by file, with what they show.
GALLERY = {
    "denoising": "blind denoising (Figures 4 and 5)",
    "inpainting-centre": "a hole in the centre (Figure 3)",
    "inpainting-boxes": "random boxes (Figure 6)",
    "colorization": "colorization (Figure 2)",
    "upscaling": "pictures half as large, by MATLAB's bicubic kernel",
    "deblurring": "a straight motion of 15 pixels, white noise of sigma 2.55",
    "dejpeg": "JPEG of quality 10, by the numbers in the file",
    "poisson": "shot noise, white being 10 counts",
    "demosaicing": "a Bayer mosaic",
}
