#!/usr/bin/env python3
"""Ziggurat's gradients beside those of TensorFlow, PaddlePaddle, MXNet, scikit-learn, Hugging Face and Ultralytics, for the files that their exporters write.

As networks.py does for PyTorch's exporters: for a network with random weights and one random picture the framework computes, in float64, d logit / d picture
of the class with the largest logit. The network is exported (with its softmax, where it has one), `ziggurat gradient` runs on the file, and the relative L2
error is taken. It passes if that is at most 5e-3, or at most three times the error of the framework's own float32 gradient.

Setting up, one virtual environment a framework (they do not get along), and running in each
    keras:   pip install tensorflow-cpu tf2onnx onnx onnxruntime
    paddle:  pip install paddlepaddle paddle2onnx
    mxnet:   pip install --no-deps mxnet==1.9.1 graphviz requests urllib3 idna certifi chardet numpy==1.23.5 onnx==1.14.1 "protobuf<4" typing_extensions
    sklearn: pip install scikit-learn skl2onnx
    transformers: pip install optimum-onnx onnxruntime
    ultralytics:  pip install ultralytics onnx onnxruntime
    OMP_NUM_THREADS=1 venv/bin/python tests/peers/exporters.py keras --ziggurat target/release/ziggurat
The table, with any Python
    python3 tests/peers/exporters.py --table
Results are added to exporters.jsonl beside this script, one line for a network, exporter and opset; what is there is not done again (--again: it is, and the
new line counts). --table writes src/autodiff/EXPORTERS.md from them. Exported models are deleted after use (--keep FOLDER: they are not).
"""
import argparse
import importlib
import json
import multiprocessing
import pathlib
import shutil
import tempfile
import time

from figures import cause, distance, one_line, rounded
from networks import Failed, differentiate

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = HERE / "exporters.jsonl"
TABLE = HERE.parents[1] / "src/autodiff/EXPORTERS.md"

# For each framework the ways to ONNX, as EXPORTER:OPSET, and the networks, which the module
# FRAMEWORK_networks.py builds.
FRAMEWORKS = {
    "keras": (
        ["tf2onnx:17", "savedmodel:17", "tf2onnx:13", "tf2onnx:18", "keras:17", "fixed:17", "nchw:17", "tflite:17"],
        """tutorial normalised uint8 caffe resizing channels_first blocks grouped recurrent gru activations vit ResNet50 ResNet50V2 MobileNet MobileNetV2
        MobileNetV3Small MobileNetV3Large EfficientNetB0 EfficientNetV2B0 DenseNet121 VGG16 Xception InceptionV3 InceptionResNetV2 NASNetMobile ConvNeXtTiny""".split(),
    ),
    "paddle": (
        ["paddle2onnx:17", "paddle2onnx:13", "paddle2onnx:21", "fixed:17"],
        """lenet resnet18 resnet50 resnext50_32x4d wide_resnet50_2 mobilenet_v1 mobilenet_v2 mobilenet_v3_small mobilenet_v3_large vgg11 alexnet squeezenet1_0
        squeezenet1_1 densenet121 googlenet inception_v3 shufflenet_v2_x1_0 shufflenet_v2_swish pixels activations vit""".split(),
    ),
    "mxnet": (
        ["mx2onnx:13"],
        """resnet18_v1 resnet18_v2 mobilenet1_0 mobilenet_v2_1_0 squeezenet1_0 squeezenet1_1 alexnet vgg11 vgg11_bn densenet121 inception_v3""".split(),
    ),
    "sklearn": (
        ["skl2onnx:17", "skl2onnx:13"],
        "scaled_mlp pca_mlp scaled_logistic minmax_logistic whitened_lda".split(),
    ),
    "transformers": (
        ["optimum:18", "optimum:14", "optimum:20"],
        """Beit ConvNext ConvNextV2 Cvt Data2VecVision DeiT Dinov2 EfficientNet Hiera Levit MobileNetV1 MobileNetV2 MobileViT PoolFormer Pvt
        RegNet ResNet Segformer Swin Swinv2 ViT ViTMSN""".split(),
    ),
    "ultralytics": (
        ["export:18", "export:12", "dynamic:18"],
        "yolov8n-cls yolo11n-cls yolo12n-cls yolo26n-cls yolov8n-cls-resnet50".split(),
    ),
}


def results():
    """The newest result of every (framework, network, exporter, opset)."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return {key_of(line): line for line in map(json.loads, lines)}


def key_of(line):
    return line["framework"], line["network"], line["exporter"], line["opset"]


def record(key, **found):
    line = dict(zip(("framework", "network", "exporter", "opset"), key), **found)
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def attempt(framework, name, pairs, options):
    """Every pair of one network; runs in a process of its own. A framework's module has a function `build(name)`, which gives an object with
    `picture`, (1, C, H, W) float32; `gradient(elem, index=None)`, (d logit / d picture, the logits) computed in float64 or float32;
    `export(path, exporter, opset)`; and, if it can, `scores(picture)`, the logits in float64."""
    from networks_table import grade

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        try:
            network = importlib.import_module(f"{framework}_networks").build(name)
            exact, logits = network.gradient("float64")
            index = int(logits.argmax())
            own, _ = network.gradient("float32", index)
        except Exception as problem:
            for pair in pairs:
                record((framework, name, *pair), failed="reference", why=one_line(f"{type(problem).__name__}: {problem}", folder))
            return
        known = {"picture": network.picture, "index": index}
        prepared = round(time.perf_counter() - start, 1)
        for exporter, opset in pairs:
            path = folder / "model.onnx"
            found = {"float32": rounded(distance(own, exact)), "seconds": {"prepare": prepared}}
            start = time.perf_counter()
            try:
                export(network, path, exporter, opset)
                found["seconds"]["export"] = round(time.perf_counter() - start, 1)
                found |= declared(path)
                start = time.perf_counter()
                mine = differentiate(options.ziggurat.resolve(), path, known, options.limit)
                found["seconds"]["gradient"] = round(time.perf_counter() - start, 1)
                found["error"] = rounded(distance(mine, exact))
            except Failed as problem:
                stage, why = problem.args
                found |= {"failed": stage, "why": one_line(why, folder)}
            if grade(found) == "wrong" and hasattr(network, "scores"):
                theirs, error = beside_differences(network, index, exact, mine)
                if theirs > 1e-2:
                    found |= {"error": rounded(error), "reference": rounded(theirs)}
            if path.exists() and grade(found) in ("wrong", "refused") and (why := other_network(path, network.picture, logits)):
                found.pop("error", None)
                found |= {"failed": "export", "why": one_line(f"the file is not the network: {why}", folder)}
            record((framework, name, exporter, opset), **found)
            if path.exists() and options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, options.keep / f"{framework}-{name}-{exporter}-{opset}.onnx")
            path.unlink(missing_ok=True)


def export(network, path, exporter, opset):
    try:
        network.export(path, exporter, opset)
    except Exception as problem:
        raise Failed("export", cause(problem)) from problem


def declared(path):
    """What the file says of itself."""
    import onnx

    model = onnx.load(str(path))
    written = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    return {"written": written, "producer": f"{model.producer_name} {model.producer_version}".strip()}


def beside_differences(network, index, *gradients):
    """The relative L2 error of gradients beside central differences of the network's float64 scores along 16 random directions: what a gradient is off by
    shows along a random direction with its length, in the mean of squares."""
    import numpy as np

    random = np.random.default_rng(2)
    directions = random.standard_normal((16, *network.picture.shape))
    ahead, behind = (np.array([network.scores(network.picture + side * each)[0, index] for each in directions]) for side in (1e-5, -1e-5))
    slopes = (ahead - behind) / 2e-5
    return [distance(np.tensordot(directions, gradient, gradient.ndim), slopes) for gradient in gradients]


def other_network(path, picture, logits):
    """Why a file is not the network, as ONNX Runtime says without Ziggurat; None if it is."""
    import numpy as np
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        port, *others = session.get_inputs()
        if others:
            return f"it has further inputs, which nobody knows: {', '.join(other.name for other in others)}"
        if port.shape[-1] == picture.shape[1]:
            picture = picture.transpose(0, 2, 3, 1)
        outputs = session.run(None, {port.name: picture.astype("uint8" if "uint8" in port.type else "float32")})
    except Exception as problem:
        return f"ONNX Runtime refuses it: {str(problem).rsplit(', Error ', 1)[-1]}"
    scores = [value.reshape(logits.shape) for value in outputs if hasattr(value, "dtype") and value.size == logits.size]
    if not scores:
        return "it has no output with a score for each class"
    if not all(np.isfinite(value).all() for value in scores):
        return "what ONNX Runtime computes from it is not a number"
    probabilities = np.exp(logits - logits.max())
    probabilities /= probabilities.sum()
    off = min(distance(value, known) for value in scores for known in (logits, probabilities))
    return f"what ONNX Runtime computes from it is off by {rounded(off)}" if off > 1e-3 else None


def run(options):
    pairs, names = FRAMEWORKS[options.framework]
    pairs = [(exporter, int(opset)) for exporter, opset in (pair.split(":") for pair in options.pairs or pairs)]
    for name in options.names or names:
        before = {} if options.again else results()
        wanted = [pair for pair in pairs if (options.framework, name, *pair) not in before]
        if not wanted:
            continue
        length = RESULTS.stat().st_size if RESULTS.exists() else 0
        # A fresh process: frameworks do not survive a fork, and give little memory back.
        child = multiprocessing.get_context("spawn").Process(target=attempt, args=(options.framework, name, wanted, options))
        child.start()
        child.join(limit := options.limit * (1 + len(wanted)))
        if late := child.is_alive():
            child.kill()
            child.join()
        done = {key_of(json.loads(line)) for line in (RESULTS.read_text()[length:] if RESULTS.exists() else "").splitlines()}
        for pair in wanted:
            if (key := (options.framework, name, *pair)) not in done:
                record(key, failed="export", why=f"not done after {limit} s" if late else f"its process ended with status {child.exitcode}")


def write_table():
    from exporters_table import table

    TABLE.write_text(table(results(), FRAMEWORKS))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("framework", nargs="?", choices=FRAMEWORKS)
    parser.add_argument("names", nargs="*", help="networks (default: all of the framework)")
    parser.add_argument("--ziggurat", type=pathlib.Path, default=HERE.parents[1] / "target/release/ziggurat")
    parser.add_argument("--pairs", nargs="+", metavar="EXPORTER:OPSET", help="default: all of the framework")
    parser.add_argument("--table", action="store_true", help="write the table, run nothing")
    parser.add_argument("--again", action="store_true", help="also what has a result")
    parser.add_argument("--keep", type=pathlib.Path, metavar="FOLDER", help="where exported models go")
    parser.add_argument("--limit", type=int, default=300, help="seconds for one gradient; and for one export")
    options = parser.parse_args()
    if not options.table and not options.framework:
        parser.error("which framework?")
    write_table() if options.table else run(options)
