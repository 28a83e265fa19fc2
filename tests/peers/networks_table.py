"""src/autodiff/NETWORKS.md, made from the results of networks.py."""
import collections
import statistics

ENOUGH = 5e-3
TIMES = 3  # of float32's own error

HEAD = """# Networks whose gradients were held against PyTorch's

Made by `tests/peers/networks.py --table` from `tests/peers/networks.jsonl`; not to be edited. How the numbers come about, and how to make them again,
stands at the top of that script.

A number is the relative L2 error of Ziggurat's gradient (the largest logit with respect to the picture, float32, ONNX Runtime on the CPU) against
PyTorch's in float64. Random weights, one random picture.

`old`: `torch.onnx.export(dynamo=False)`; `dynamo`: `torch.onnx.export(dynamo=True)`, which writes opset 18 where it is asked for a lower one; `converted`:
its file of opset 18, brought to a lower one by `onnx.version_converter`.

- a plain number: at most 5e-3
- ¹: at most three times the error of PyTorch's own float32 gradient, which stands in the third column. Float32 flips a few ReLU masks near zero.
- ²: at most three times the largest error of PyTorch's float32 gradient, computed in other, equally good ways: channels last, without oneDNN, with
  the picture changed in its last bits, with batch normalisation folded into the convolutions. PyTorch as it is happened to flip fewer masks.
- ³: over six random pictures, the mean error is at most three times that of PyTorch's own float32 gradient.
- ⁴: beyond all of these, but with the last bits of the picture changed in three ways, the median is at most 5e-3: this picture lies on the edge of a
  rectifier's mask, on the side that PyTorch happened not to take
- **bold**: a wrong gradient
- *export*, *refused*, …: there is no gradient; the number leads to why, below
- empty: not tried
"""

GRADES = {"plain": "at most 5e-3", "own": "¹", "other": "²", "mean": "³", "edge": "⁴", "wrong": "**wrong**", "refused": "*refused*", "export": "*export*", "reference": "*reference*"}
PASSED = ("plain", "own", "other", "mean")
STAGES = {"gradient": "refused", "export": "export", "reference": "reference", "comparison": "reference"}


def grade(result):
    """Which of GRADES a result has."""
    if "failed" in result:
        return STAGES[result["failed"]]
    bounds = {"plain": ENOUGH, "own": TIMES * result["float32"], "other": TIMES * max(result.get("others", {"": 0}).values())}
    within = [name for name, bound in bounds.items() if result["error"] <= bound]
    if within:
        return within[0]
    pictures = result.get("pictures", {"ziggurat": [1], "float32": [0]})
    if sum(pictures["ziggurat"]) <= TIMES * sum(pictures["float32"]):
        return "mean"
    moved = result.get("moved", [result["error"]])
    return "edge" if statistics.median(moved) <= ENOUGH else "wrong"


def table(results, pairs, order):
    """The document. `results` {(network, exporter, opset): line}, `pairs` the columns, `order` the networks."""
    networks = [name for name in order if any(key[0] == name for key in results)]
    reasons = {}
    rows = [_row(name, results, pairs, reasons) for name in networks]
    titles = ["network", "parameters", "PyTorch float32"] + [f"{exporter} {opset}" for exporter, opset in pairs]
    lines = [HEAD, _summary(networks, results), "", _counts(results, pairs), "", "## Every network", ""]
    lines += ["| " + " | ".join(titles) + " |", "| --- " * len(titles) + "|"] + rows
    lines += ["", "## Why not", ""] + [f"{number}. {why}" for why, number in reasons.items()]
    return "\n".join(lines) + "\n"


def _summary(networks, results):
    passed = {name for (name, *_), line in results.items() if grade(line) in PASSED}
    builders = [name for name in networks if not name.startswith("timm:")]
    count = lambda some: f"{sum(name in passed for name in some)} of {len(some)}"
    others = [name for name in networks if name.startswith("timm:")]
    never = [name for name in networks if name not in passed]
    missing = f" No way led to a gradient of {', '.join(never)}." if never else ""
    return f"**With one exporter and opset at least: {count(builders)} builders of torchvision, {count(others)} networks of timm.**{missing}"


def _counts(results, pairs):
    """How many results of each grade every column has."""
    lines = ["| exporter, opset | opsets written | " + " | ".join(GRADES.values()) + " |", "| --- " * (len(GRADES) + 2) + "|"]
    for pair in pairs:
        column = [line for key, line in results.items() if key[1:] == pair]
        if column:
            found = collections.Counter(map(grade, column))
            written = ", ".join(map(str, sorted({line["written"] for line in column if "written" in line})))
            lines.append(f"| {pair[0]} {pair[1]} | {written} | " + " | ".join(str(found[each] or "") for each in GRADES) + " |")
    return "\n".join(lines)


def _row(name, results, pairs, reasons):
    lines = [results.get((name, *pair)) for pair in pairs]
    known = next((line for line in lines if line and "float32" in line), {})
    size = f"{known['parameters'] / 1e6:.1f} M" if known else ""
    own = f"{known['float32']:.1e}" if known else ""
    return f"| {name} | {size} | {own} | " + " | ".join(cell(line, reasons) for line in lines) + " |"


def cell(line, reasons):
    """What stands in the table for a result; `reasons` {why: number} learns why there is none."""
    if line is None:
        return ""
    found = grade(line)
    if "failed" in line:
        why = line["why"].replace("|", "\\|")
        return f"{GRADES[found]} ({reasons.setdefault(why, len(reasons) + 1)})"
    number = f"{line['error']:.1e}" + (" ᵈ" if "reference" in line else "")
    return {"plain": number, "wrong": f"**{number}**"}.get(found, f"{number} {GRADES[found]}")
