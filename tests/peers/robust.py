"""The robust judge: what networks that took no part say of pictures, as they are and disturbed; and how colourful the pictures are.

The judges share the family and the tricks of the network that a picture was made with, and a fine texture that no person sees
convinces them. What survives a blur, a crop, a small size or a hard compression is form and colour: the mean over all judges and
disturbances is the figure. It still is a network's opinion: look at the pictures too, and name them before you read their labels.
"""
import argparse
import io
import json
import math
import pathlib
import subprocess
import sys

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from skimage.color import rgb2lab
from torch.nn import functional
from torchvision.models import EfficientNet_B0_Weights
from torchvision.transforms.functional import gaussian_blur

import lite

SIDE = 256  # pixels of a side when a picture is judged, whatever it was before: a blur then means the same for all
GREYISH = 8  # Lab chroma below which a pixel has hardly a colour
WHITE = 250  # least value of all channels of a pixel that counts as pure white
GAP, LABEL = 4, 16  # pixels of a sheet between its pictures, and for a line of text


def middle(x, share):
    size = round(SIDE * share)
    start = (SIDE - size) // 2
    return x[:, :, start : start + size, start : start + size]


def jpeg(x, quality):
    buffer = io.BytesIO()
    Image.fromarray(pixels(x[0])).save(buffer, "JPEG", quality=quality)
    return tensor(Image.open(buffer))[None]


def small(x, side):
    coarse = functional.interpolate(x, size=side, mode="bilinear", antialias=True)
    return functional.interpolate(coarse, size=SIDE, mode="bilinear")


# What is done to a picture (1, 3, SIDE, SIDE) in 0..1; `random` is a generator that goes on from picture to picture.
DISTURBANCES = {
    "blur 1.5": lambda x, random: gaussian_blur(x, 9, 1.5),
    "blur 2.5": lambda x, random: gaussian_blur(x, 15, 2.5),
    "middle 80 %": lambda x, random: middle(x, 0.8),
    "JPEG 30": lambda x, random: jpeg(x, 30),
    "noise .08": lambda x, random: (x + torch.randn(x.shape, generator=random) * 0.08).clamp(0, 1),
    "through 96 px": lambda x, random: small(x, 96),
    "mirrored": lambda x, random: x.flip(-1),
}


def tensor(image):
    """An RGB image of Pillow as (3, H, W) in 0..1."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def pixels(picture):
    """(3, H, W) in 0..1 as (H, W, 3) in 0..255."""
    return (picture.permute(1, 2, 0).numpy() * 255).round().astype("uint8")


def read(path):
    """A picture as it is judged: (3, SIDE, SIDE) in 0..1."""
    return tensor(Image.open(path).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def answer(network, picture, target):
    """What a network says of one picture (1, 3, H, W) in 0..1: probability of the class, and whether it comes first."""
    x = functional.interpolate(picture, size=network.side, mode="bilinear", align_corners=False, antialias=True)
    with torch.no_grad():
        probabilities = network((x * 255 - 127) / 128).softmax(1)[0]
    return float(probabilities[target]), int(probabilities.argmax()) == target


def figures(pictures, classes, judges):
    """All figures of `pictures`, each of them (3, SIDE, SIDE) in 0..1 and made for the class at its place in `classes`; ready for JSON."""
    random = torch.Generator().manual_seed(1)
    views = [lambda x, random: x, *DISTURBANCES.values()]  # the first of them plain
    told = np.array(
        [
            [[answer(judge, shown, target) for judge in judges] for shown in (view(picture[None], random) for view in views)]
            for picture, target in zip(pictures, classes, strict=True)
        ]
    )  # picture, view, judge, (probability, first)
    plain, robust = told[:, 0], told[:, 1:]
    values = np.stack([pixels(picture) for picture in pictures])
    lab = np.stack([rgb2lab(picture.permute(1, 2, 0).numpy()) for picture in pictures])
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    greyish, white = chroma < GREYISH, (values >= WHITE).all(-1)
    names = EfficientNet_B0_Weights.DEFAULT.meta["categories"]  # ImageNet's
    return {
        "judges": {name_of(judge): both(plain[:, number]) for number, judge in enumerate(judges)},
        "robust": both(robust),
        "disturbances": {name: both(robust[:, number]) for number, name in enumerate(DISTURBANCES)},
        "chroma": rounded(chroma),
        "greyish": rounded(greyish),
        "white": rounded(white),
        "pictures": [
            {
                "class": target,
                "name": names[target],
                "plain": both(plain[number]),
                "robust": both(robust[number]),
                "chroma": rounded(chroma[number]),
                "greyish": rounded(greyish[number]),
                "white": rounded(white[number]),
            }
            for number, target in enumerate(classes)
        ],
    }


def name_of(network):
    (variant,) = [variant for variant, (_, _, side) in lite.VARIANTS.items() if side == network.side]
    return f"EfficientNet-Lite{variant}"


def both(answers):
    """Mean probability, and the share that comes first."""
    probability, first = answers.reshape(-1, 2).mean(0)
    return {"probability": rounded(probability), "top1": rounded(first)}


def rounded(values):
    return round(float(np.mean(values)), 4)


def table(sets):
    """Lines of text that hold the figures of several sets of pictures, {name: figures}, side by side."""

    def row(name, cells):
        return f"{name:36s}" + "".join(f"{cell:>16s}" for cell in cells)

    def judged(name, part):
        return row(name, [f"{part(one)['probability']:.3f} / {part(one)['top1']:.2f}" for one in sets.values()])

    (first, *_) = sets.values()
    lines = [row("mean probability / share first", sets)]
    lines += [judged(f"{name}, plain", lambda one, name=name: one["judges"][name]) for name in first["judges"]]
    lines += [judged("robust judge", lambda one: one["robust"])]
    lines += [judged(f"    {name}", lambda one, name=name: one["disturbances"][name]) for name in DISTURBANCES]
    lines += [row("mean chroma", [f"{one['chroma']:.1f}" for one in sets.values()])]
    lines += [row(f"greyish pixels (chroma < {GREYISH})", [f"{one['greyish']:.2f}" for one in sets.values()])]
    lines += [row(f"white pixels (all channels >= {WHITE})", [f"{one['white']:.3f}" for one in sets.values()])]
    return lines


def sheet(pictures, columns, labels=()):
    """A contact sheet, row by row; `labels` go below the pictures if there are any."""
    width, height = SIDE + GAP, SIDE + GAP + (LABEL if labels else 0)
    image = Image.new("RGB", (columns * width, math.ceil(len(pictures) / columns) * height))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default()
    for number, picture in enumerate(pictures):
        left, top = number % columns * width, number // columns * height
        image.paste(Image.fromarray(pixels(picture)), (left, top))
        if labels:
            draw.text((left + 2, top + SIDE + 2), labels[number], "white", font)
    return image


def indices(text):
    """Indices of ImageNet's classes from a list with commas; an argument's type."""
    try:
        chosen = [int(one) for one in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: not a list of numbers with commas between them") from None
    if not all(0 <= one < 1000 for one in chosen):
        raise argparse.ArgumentTypeError(f"{text}: not all in 0..999")
    return chosen


def lines(command):
    """The JSON objects that a command prints, one per line. Where it fails, this script ends."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        script = pathlib.Path(sys.argv[0]).stem
        sys.exit(f"{script}: `{' '.join(map(str, command))}` ended with status {done.returncode}; its own message is above")
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
