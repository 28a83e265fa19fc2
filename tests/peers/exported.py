#!/usr/bin/env python3
"""Models that `ziggurat gradient --export` and `ziggurat cam --export` write, run by the stock `onnxruntime` of Python.

For each network (random weights, architectures.py; exported with an open batch size) and two random pictures:
    checked     onnx.checker.check_model(full_check=True) accepts both files
    gradient    the exported gradient of a class, beside `ziggurat gradient` on the original file: the largest difference, relative to the largest element
    heat map    the exported map of one class, and of the top class, beside `ziggurat cam --out X.npy`: the largest difference (a map is 0 to 1)
Both must be at most 1e-5. ONNX Runtime optimizes a graph with an open batch size differently and then rounds differently, which flips ReLU masks of some
networks. A gradient that is farther away passes if that of `--batch 1` is not; and the difference is given that ONNX Runtime makes by its optimizations
alone, on that file. Some networks are also tried with every method, and some maps are held against those of pytorch-grad-cam (grad-cam on PyPI) on
the same weights: the cosine must be at least .999.

Setting up
    python3 -m venv venv && venv/bin/pip install torch torchvision timm transformers numpy pillow onnx onnxscript onnxruntime grad-cam
    cargo build --release
Running
    OMP_NUM_THREADS=2 venv/bin/python tests/peers/exported.py --ziggurat target/release/ziggurat
    venv/bin/python tests/peers/exported.py --table
    venv/bin/python tests/peers/exported.py --web FOLDER       # what web.mjs runs in a browser
Results are added to exported.jsonl beside this script, one line for a network and form; what is there is not done again (--again: it is, and the new line
counts). --table writes src/autodiff/EXPORTED.md from them.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import tempfile
import time

from exported_files import MEAN, STD, build, export, pictures, units
from figures import cause, one_line, rounded

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = HERE / "exported.jsonl"
TABLE = HERE.parents[1] / "src/autodiff/EXPORTED.md"
CLOSE = 1e-5
MOVED = 30  # pictures that differ in their last bits
ALIKE = 0.999  # smallest cosine beside pytorch-grad-cam
METHODS = ("grad-cam", "grad-cam++", "layer-cam", "hires-cam", "cam")

# A network of architectures.py, or hf:CLASS of transformers, and its form: EXPORTER:OPSET as in
# networks.py, or what is made of the file of old:17: half (float16), qdq (static 8-bit
# quantisation), dynamic (dynamic 8-bit quantisation), nhwc (channels last), uint8 (channels last,
# of pixels).
NETWORKS = """
    resnet18 old:17
    squeezenet1_1 old:13
    mobilenet_v3_small dynamo:20
    densenet121 old:17
    efficientnet_b0 dynamo:18
    googlenet old:17
    shufflenet_v2_x0_5 old:17
    regnet_y_400mf dynamo:20
    timm:convnext_atto dynamo:20
    timm:hrnet_w18_small old:17
    timm:resnest14d old:17
    timm:vit_tiny_patch16_224 dynamo:20
    timm:deit_tiny_distilled_patch16_224 old:17
    swin_t dynamo:20
    timm:pvt_v2_b0 dynamo:20
    timm:mobilevit_xxs old:17
    timm:xcit_nano_12_p16_224 dynamo:20
    timm:mixer_s32_224 old:17
    timm:levit_128s old:17
    hf:ViT old:17
    resnet18 qdq
    timm:vit_tiny_patch16_224 dynamic
    resnet18 half
    timm:vit_tiny_patch16_224 half
    resnet18 nhwc
    mobilenet_v3_small uint8
"""
# Every method is tried with these.
ALL_METHODS = {("resnet18", "old:17"), ("timm:vit_tiny_patch16_224", "dynamo:20")}
# The layer of HiResCAM. The gradient of a value that only a layer normalization reads is orthogonal
# to it: there, the sum of their products is zero but for rounding. So the map is taken behind the
# normalization.
NORMALIZED = {"timm:vit_tiny_patch16_224": {"dynamo:20": "layer_norm_22", "old:17": "/blocks/blocks.11/norm1/LayerNormalization_output_0"}}
# These go to the browser.
WEB = [
    ("resnet18", "old:17"),
    ("mobilenet_v3_small", "dynamo:20"),
    ("timm:convnext_atto", "dynamo:20"),
    ("timm:vit_tiny_patch16_224", "dynamo:20"),
    ("timm:pvt_v2_b0", "dynamo:20"),
]


def results():
    """The newest result of every (network, form)."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return {(line["network"], line["form"]): line for line in map(json.loads, lines)}


def record(network, form, **found):
    line = {"network": network, "form": form, **found}
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def ziggurat(options, *arguments):
    """Its standard error; an exception if it fails."""
    done = subprocess.run([options.ziggurat, *map(str, arguments)], capture_output=True, text=True, timeout=options.limit)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[done.stderr.rfind("ziggurat: ") :] or f"exit status {done.returncode}")
    return done.stderr


def session(path, optimized=True):
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    if not optimized:
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


def checked(path):
    import onnx

    onnx.checker.check_model(str(path), full_check=True)


def parts(model, given, form):
    """How many pictures are run at once, as slices. Dynamic quantisation takes the range of a batch, so that its pictures change each other's results."""
    (size,) = [each.shape[0] for each in model.get_inputs() if each.name == "x"]
    step = len(given) if isinstance(size, str) and form != "dynamic" else 1
    return [slice(at, at + step) for at in range(0, len(given), step)]


def farthest(mine, own):
    """The largest difference, relative to the largest element."""
    import numpy as np

    return rounded(np.abs(mine - own).max() / np.abs(own).max())


def last_bits(x, seed):
    """Every number moved to a neighbouring one."""
    import numpy as np

    ends = np.random.default_rng(seed).choice(np.array([-np.inf, np.inf], "f4"), x.shape)
    return np.nextafter(x, ends)


def exported_gradient(options, path, form, given, classes, choice=(), optimized=True):
    """The gradients of the classes that the exported file has, (N, 3, height, width), and its notes. `given` is what the file takes."""
    import numpy as np

    made = path.with_name("gradient.onnx")
    notes = ziggurat(options, "gradient", path, "--export", made, "--of", "logits", "--seed-input", *choice)
    checked(made)
    model = session(made, optimized)
    count = next(each.shape[-1] for each in model.get_outputs() if each.name == "logits")
    seeds = np.eye(count, dtype="f4")[classes]
    feeds = [{"x": given[part], "seed/logits": seeds[part]} for part in parts(model, given, form)]
    return np.concatenate([model.run(["grad/x"], feed)[0] for feed in feeds]), notes


def exported_map(options, path, form, given, classes, choice=()):
    """The maps of the classes that the exported file has, (N, height, width), its notes, and what it says of the map."""
    import numpy as np
    import onnx

    made = path.with_name("cam.onnx")
    notes = ziggurat(options, "cam", path, "--export", made, *choice)
    checked(made)
    model = session(made)

    def run(feed):
        results = [model.run(["heatmap"], {name: array[part] for name, array in feed.items()}) for part in parts(model, given, form)]
        return np.concatenate([maps for (maps,) in results])

    maps, absent, top = run({"x": given, "class": classes}), run({"x": given}), run({"x": given, "class": np.full(len(given), -5)})
    if not np.array_equal(absent, top):
        raise RuntimeError("without a class, the map is another one than that of a negative class")
    said = next(each.doc_string for each in onnx.load(str(made), load_external_data=False).graph.output if each.name == "heatmap")
    return maps, notes, said


def own_maps(options, path, pixels, classes, choice=()):
    import numpy as np
    from PIL import Image

    maps = []
    for each, index in zip(pixels, classes):
        picture, made = path.with_name("picture.png"), path.with_name("map.npy")
        Image.fromarray(each).save(picture)
        ziggurat(options, "cam", path, picture, "--target", f"class:{index}", "--out", made, "--provider", "cpu", *choice)
        maps.append(np.load(made))
    return np.stack(maps)


def card(path, form):
    """Tells the program how the pictures were prepared."""
    mean, std = (0, 1 / 255) if form == "uint8" else (MEAN, STD)
    numbers = [f"mean = [{mean}, {mean}, {mean}]", f"std = [{std}, {std}, {std}]"]
    path.with_suffix(".toml").write_text("\n".join(["[preprocessing]", "crop = 1.0", *numbers]) + "\n")


def chosen_layer(name, form, method):
    """The options of the program for a method."""
    layer = NORMALIZED.get(name, {}).get(form) if method == "hires-cam" else None
    return ["--method", method, *(["--layer", layer] if layer else [])]


def attempt(name, form, options, folder):
    """The figures of one network."""
    import numpy as np

    path = folder / "model.onnx"
    model, size = build(name)
    pixels = pictures(size)
    found = {"parameters": sum(value.numel() for value in model.parameters())}
    found["written"] = export(model, pixels, path, form)
    card(path, form)
    x = units(pixels)
    last = form in ("nhwc", "uint8")
    given = pixels if form == "uint8" else np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if last else x
    logits = session(path).run(None, {"x": given.astype("f2") if form == "half" else given})[0]
    best = logits.argmax(1)
    classes = np.array([best[0] // 2, best[1]])

    notes = ""
    if form != "uint8":
        np.save(folder / "x.npy", x)
        own = []
        for index in range(2):
            np.save(folder / "x.npy", x[index : index + 1])
            target = f"class:{classes[index]}"
            ziggurat(options, "gradient", path, "--target", target, "--input", folder / "x.npy", "--output", folder / "g.npy", "--provider", "cpu")
            own.append(np.load(folder / "g.npy"))
        own = np.concatenate(own)

        def difference(*ways):
            mine, notes = exported_gradient(options, path, form, given, classes, *ways)
            return farthest(mine.transpose(0, 3, 1, 2) if last else mine, own), notes

        found["gradient"], notes = difference()
        if found["gradient"] > CLOSE:
            found["fixed"], _ = difference(["--batch", 1])
            found["rounding"], _ = difference(["--batch", 1], False)
    chosen = np.array([classes[0], -1])
    maps, more, said = exported_map(options, path, form, given, chosen)
    found["map"] = rounded(np.abs(maps - own_maps(options, path, pixels, classes)).max())
    found["zero"] = int((maps.max((1, 2)) == 0).sum())
    found["said"] = said
    if (name, form) in ALL_METHODS:
        found["methods"] = {}
        for method in METHODS:
            choice = chosen_layer(name, form, method)
            try:
                expected = own_maps(options, path, pixels, classes, choice)
            except RuntimeError as why:
                if "use grad-cam" not in str(why):
                    raise
                continue
            maps, _, _ = exported_map(options, path, form, given, chosen, choice)
            found["methods"][method] = rounded(np.abs(maps - expected).max())
    found["notes"] = sorted({one_line(line.split(": ", 1)[-1], folder) for line in (notes + more).splitlines()})
    return found


def beside_grad_cam(options, folder):
    """Cosines of the exported maps and those of pytorch-grad-cam, by network and method."""
    import numpy as np
    import pytorch_grad_cam as peer
    import torch
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    def tokens(value):
        side = int((value.shape[1] - 1) ** 0.5)
        return value[:, 1:].reshape(len(value), side, side, -1).permute(0, 3, 1, 2)

    class PlusPlus(peer.GradCAMPlusPlus):
        """Without the 1e-6 that the peer adds to the denominator: it outweighs the squares of the gradients of random weights."""

        def get_cam_weights(self, picture, layers, targets, activations, gradients, *rest):
            activations, gradients = activations.astype("f8"), gradients.astype("f8")
            square = gradients**2
            below = 2 * square + activations.sum((2, 3), keepdims=True) * square * gradients
            alpha = np.where(below == 0, 0, square / np.where(below == 0, 1, below))
            return (alpha * np.maximum(gradients, 0)).sum((2, 3))

    def cosine(mine, theirs):
        sizes = np.linalg.norm(mine), np.linalg.norm(theirs)
        return float((mine * theirs).sum() / sizes[0] / sizes[1]) if all(sizes) else float(sizes[0] == sizes[1])

    layers = {
        "resnet18": (lambda model: model.layer4[-1], None),
        "mobilenet_v3_small": (lambda model: model.features[-1], None),
        "timm:vit_tiny_patch16_224": (lambda model: model.blocks[-2], tokens),
    }
    methods = {"grad-cam": peer.GradCAM, "grad-cam++": PlusPlus, "layer-cam": peer.LayerCAM, "hires-cam": peer.HiResCAM}
    found = {}
    for name, (layer, reshape) in layers.items():
        path = folder / "model.onnx"
        model, size = build(name)
        pixels = pictures(size)
        export(model, pixels, path, "old:17")
        x = units(pixels)
        best = model(torch.from_numpy(x)).argmax(1).numpy()
        classes = np.array([best[0] // 2, best[1]])
        for method, peer_class in methods.items():
            maps, _, said = exported_map(options, path, "old:17", x, classes, chosen_layer(name, "old:17", method))
            target = model.blocks[-1].norm1 if method == "hires-cam" and name in NORMALIZED else layer(model)
            with peer_class(model=model, target_layers=[target], reshape_transform=reshape) as cam:
                theirs = cam(torch.from_numpy(x), [ClassifierOutputTarget(int(index)) for index in classes])
            # The peer also subtracts the minimum.
            mine = maps - maps.min((1, 2), keepdims=True)
            cosines = [cosine(*pair) for pair in zip(mine, theirs)]
            found[f"{name} {method}"] = round(min(cosines), 6)
            print(name, method, said, cosines, flush=True)
    return found


def roundings(path, feed, output):
    """How far ONNX Runtime leads itself from a result, relative to its largest element: without optimizations, with the picture changed in its last bits."""
    model = session(path)
    (own,) = model.run([output], feed)
    (plain,) = session(path, optimized=False).run([output], feed)
    # One change of sign at a rectifier can matter more than all other roundings: it needs several pictures to be met.
    moved = (model.run([output], {**feed, "x": last_bits(feed["x"], seed)})[0] for seed in range(MOVED))
    return max(farthest(plain, own), *(farthest(other, own) for other in moved))


def to_web(options):
    """Writes models, inputs and expected outputs for web.mjs, of one picture each."""
    import numpy as np

    options.web.mkdir(parents=True, exist_ok=True)
    tests = []
    for name, form in WEB:
        folder = pathlib.Path(tempfile.mkdtemp())
        path = folder / "model.onnx"
        model, size = build(name)
        pixels = pictures(size)
        export(model, pixels, path, form)
        card(path, form)
        x = units(pixels)[:1]
        (logits,) = session(path).run(None, {"x": x})
        best, count = int(logits.argmax()), logits.shape[1]
        label = f"{name}-{form}".replace(":", "_")
        np.save(folder / "x.npy", x)
        ziggurat(options, "gradient", path, "--target", f"class:{best}", "--input", folder / "x.npy", "--output", folder / "g.npy", "--provider", "cpu")
        ziggurat(options, "gradient", path, "--export", options.web / f"{label}-gradient.onnx", "--of", "logits", "--seed-input")
        # The browser can only set inputs that it must set.
        ziggurat(options, "cam", path, "--export", options.web / f"{label}-cam.onnx", "--require-class")
        ziggurat(options, "cam", path, "--export", options.web / f"{label}-top.onnx")
        chosen = best // 2
        maps = {index: own_maps(options, path, pixels[:1], [index]) for index in (chosen, best)}
        seeds = np.eye(count, dtype="f4")[[best]]
        numbers = {"x": x, "seed": seeds, "gradient": np.load(folder / "g.npy"), "map": maps[chosen], "top": maps[best]}
        for what, array in numbers.items():
            (options.web / f"{label}-{what}.bin").write_bytes(array.astype("<f4").tobytes())
        file = {kind: options.web / f"{label}-{kind}.onnx" for kind in ("gradient", "cam", "top")}
        rounding = {
            "gradient": roundings(file["gradient"], {"x": x, "seed/logits": seeds}, "grad/x"),
            "map": roundings(file["cam"], {"x": x, "class": np.array([chosen])}, "heatmap"),
            "top": roundings(file["top"], {"x": x}, "heatmap"),
        }
        dims = {what: list(array.shape) for what, array in numbers.items()}
        tests.append({"name": label, "class": chosen, "dims": dims, "rounding": rounding})
        shutil.rmtree(folder)
        print(label, flush=True)
    (options.web / "tests.json").write_text(json.dumps(tests))


def run(options):
    wanted = [tuple(line.split()) for line in NETWORKS.strip().splitlines()]
    if options.names:
        wanted = [pair for pair in wanted if pair[0] in options.names or pair[1] in options.names]
    before = {} if options.again else results()
    for name, form in wanted:
        if (name, form) in before and "failed" not in before[name, form]:
            continue
        folder = pathlib.Path(tempfile.mkdtemp())
        start = time.perf_counter()
        try:
            found = attempt(name, form, options, folder)
        except Exception as problem:
            found = {"failed": one_line(cause(problem), folder)}
        record(name, form, **found, seconds=round(time.perf_counter() - start, 1))
        shutil.rmtree(folder)
    if "pytorch-grad-cam" in (options.names or ["pytorch-grad-cam"]) and ("pytorch-grad-cam", "") not in before:
        folder = pathlib.Path(tempfile.mkdtemp())
        record("pytorch-grad-cam", "", cosines=beside_grad_cam(options, folder))
        shutil.rmtree(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="networks or forms, or pytorch-grad-cam (default: all)")
    parser.add_argument("--ziggurat", type=pathlib.Path, default=HERE.parents[1] / "target/release/ziggurat")
    parser.add_argument("--table", action="store_true", help="write the table, run nothing")
    parser.add_argument("--web", type=pathlib.Path, metavar="FOLDER", help="write what web.mjs needs")
    parser.add_argument("--again", action="store_true", help="also what has a result")
    parser.add_argument("--limit", type=int, default=600, help="seconds for one call of the program")
    options = parser.parse_args()
    if options.table:
        from exported_table import table

        TABLE.write_text(table(results(), CLOSE, ALIKE))
    elif options.web:
        to_web(options)
    else:
        run(options)
