"""Write four photographs that anyone may show, at 256x256: astronaut, rocket (NASA), chelsea and coffee (CC0).

    python examples/free_pictures.py FOLDER

They come with scikit-image, and serve wherever pictures whose truth is known are asked for:

    bigprior evaluate gallery --data FOLDER -o gallery
"""

import argparse
from pathlib import Path

import skimage.data
from PIL import Image, ImageOps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        photo = Image.fromarray(getattr(skimage.data, name)())
        ImageOps.fit(photo, (256, 256), Image.Resampling.LANCZOS).save(folder / f"{name}.png")


if __name__ == "__main__":
    main()
