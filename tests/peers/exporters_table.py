"""src/autodiff/EXPORTERS.md, made from the results of exporters.py."""
import collections

from networks_table import GRADES, PASSED, cell, grade

HEAD = """# Exporters whose files' gradients were held against the frameworks' own

Made by `tests/peers/exporters.py --table` from `tests/peers/exporters.jsonl`; not to be edited. How the numbers come about, and how to make them again,
stands at the top of that script. For PyTorch's exporters see NETWORKS.md.

A number is the relative L2 error of Ziggurat's gradient (the largest logit with respect to the picture, float32, ONNX Runtime on the CPU) against the
framework's in float64. Random weights, one random picture.

- a plain number: at most 5e-3
- ¹: at most three times the error of the framework's own float32 gradient, which stands in the second column. Float32 flips a few ReLU masks near zero.
- ᵈ: beside central differences of the framework's float64 scores along 16 random directions, since its own gradient is off by at least 1 % there: in
  these networks PyTorch 2.15's is wrong, in float64 as well
- **bold**: a wrong gradient
- *export*, *refused*, …: there is no gradient; the number leads to why, below
- empty: not tried
"""

TITLES = {
    "keras": """## Keras with TensorFlow

`tf2onnx`: tf2onnx from the model; `savedmodel`: from a saved model, with its command; `keras`: `model.export(format="onnx")`; `fixed`: tf2onnx for one picture
at a time; `nchw`: tf2onnx with channels first at the input; `tflite`: tf2onnx from a TensorFlow Lite file. In lower case, small networks of this script with
what people put around theirs: preprocessing, bytes, every activation. The others are those of keras.applications, with 1000 classes.""",
    "paddle": """## PaddlePaddle

`fixed`: for one picture at a time. In the file there is no softmax. `pixels`, `activations` and `vit` are small networks of this script, the others those of
paddle.vision.""",
    "mxnet": """## MXNet

With 1.9.1, the last one, and gluon's model zoo.""",
    "sklearn": """## scikit-learn

Pipelines behind a node that flattens the picture.""",
    "transformers": """## Hugging Face

Small networks of each architecture, exported as Optimum's command does, with `config.json` and `preprocessor_config.json` beside the file. Most leave
the number of pictures, of channels, rows and columns open.""",
    "ultralytics": """## Ultralytics

`dynamic`: with the number of pictures, rows and columns open. In the file the scores are probabilities.""",
}


def table(results, frameworks):
    """The document. `results` {(framework, network, exporter, opset): line}, `frameworks` {framework: (columns, networks)}."""
    reasons = {}
    parts = [_part(name, results, *frameworks[name], reasons) for name in frameworks]
    why = ["## Why not", "", *(f"{number}. {why}" for why, number in reasons.items())]
    return "\n".join([HEAD, *filter(None, parts), *(why if reasons else [])]) + "\n"


def _part(framework, results, pairs, networks, reasons):
    columns = [(exporter, int(opset)) for exporter, opset in (pair.split(":") for pair in pairs)]
    networks = [name for name in networks if any(key[:2] == (framework, name) for key in results)]
    if not networks:
        return None
    found = {key[1:]: line for key, line in results.items() if key[0] == framework}
    grades = collections.Counter(map(grade, found.values()))
    counts = ", ".join(f"{GRADES[name]} {grades[name]}" for name in GRADES if grades[name])
    passed = {name for (name, *_), line in found.items() if grade(line) in PASSED}
    never = [name for name in networks if name not in passed]
    missing = f" No way led to a gradient of {', '.join(never)}." if never else ""
    lines = [TITLES[framework], "", f"**{len(passed)} of {len(networks)} networks in one way at least.**{missing} Results: {counts}.", ""]
    lines += [f"| network | float32 | {' | '.join(f'{exporter} {opset}' for exporter, opset in columns)} |", "| --- " * (len(columns) + 2) + "|"]
    return "\n".join([*lines, *(_row(name, [found.get((name, *pair)) for pair in columns], reasons) for name in networks), ""])


def _row(name, lines, reasons):
    own = next((f"{line['float32']:.1e}" for line in lines if line and "float32" in line), "")
    return f"| {name} | {own} | {' | '.join(cell(line, reasons) for line in lines)} |"
