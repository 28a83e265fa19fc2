"""src/autodiff/EXPORTED.md, made from the results of exported.py."""

HEAD = """# Gradients and heat maps as models, run by the stock onnxruntime

Made by `tests/peers/exported.py --table` from `tests/peers/exported.jsonl`; not to be edited. How the numbers come about, and how to make them again,
stands at the top of that script.

Models of `ziggurat gradient --export` and `ziggurat cam --export`, run by `onnxruntime` from Python on two random pictures at once, beside `ziggurat gradient`
and `ziggurat cam` (on one picture at a time where the batch size is fixed, or where pictures of a batch influence each other: `dynamic`). Every one of them passed `onnx.checker.check_model(full_check=True)`. Random weights.

- gradient: the largest difference, relative to the largest element; empty where the input is of bytes
- heat map: the largest difference; a map is 0 to 1
- ¹: more than 1e-5, because ONNX Runtime optimizes a graph with an open batch size differently and then rounds differently, which flips ReLU masks. Of
  `--batch 1`, the difference is at most 1e-5; ONNX Runtime's optimizations alone, on that file, change its result by as much as the notes say.
- **bold**: more than 1e-5

`old:OPSET` and `dynamo:OPSET`: PyTorch's exporters, as in NETWORKS.md. `half`: float16. `qdq`: static 8-bit quantization with QuantizeLinear and
DequantizeLinear. `dynamic`: dynamic 8-bit quantization. `nhwc`: channels last. `uint8`: channels last, of pixels.
"""


def table(results, close, alike):
    """The document. `results` {(network, form): line}; `close` is the largest difference that passes, `alike` the smallest cosine."""
    lines = [line for line in results.values() if line["network"] != "pytorch-grad-cam"]
    passed = [line for line in lines if "failed" not in line and line["map"] <= close and (line.get("gradient", 0) <= close or line["fixed"] <= close)]
    parts = [HEAD, f"**{len(passed)} of {len(lines)} pass.**", "", "| network | form | gradient | heat map | notes |", "| --- " * 5 + "|"]
    for line in lines:
        if "failed" in line:
            parts.append(f"| {line['network']} | {line['form']} | *failed* | | {line['failed']} |")
        else:
            notes = [*line["notes"], *([f"optimizations change it by {line['rounding']:.1e}"] if "rounding" in line else [])]
            notes += [f"{line['zero']} of 2 maps are zero"] if line["zero"] else []
            gradient = f"{line['gradient']:.1e} ¹" if line.get("fixed", 1) <= close else _cell(line.get("gradient"), close)
            parts.append(f"| {line['network']} | {line['form']} | {gradient} | {_cell(line['map'], close)} | {'; '.join(notes)} |")
    parts += ["", "## Every method", "", "Heat maps as above. HiResCAM of the transformer behind its last normalization: before that, it is zero but for rounding.", ""]
    methods = list(dict.fromkeys(method for line in lines for method in line.get("methods", {})))
    parts += [f"| network | {' | '.join(methods)} |", "| --- " * (len(methods) + 1) + "|"]
    for line in lines:
        if "methods" in line:
            cells = [_cell(line["methods"].get(method), close) for method in methods]
            parts.append(f"| {line['network']} | {' | '.join(cells)} |")
    peer = results.get(("pytorch-grad-cam", ""))
    if peer:
        parts += ["", "## Beside pytorch-grad-cam", "", "The smaller cosine of two heat maps of the same layer and weights. Grad-CAM++ without the 1e-6 that the peer adds to its denominator, which outweighs the squares of these gradients.", ""]
        parts += ["| network and method | cosine |", "| --- | --- |"]
        parts += [f"| {name} | {cosine if cosine >= alike else f'**{cosine}**'} |" for name, cosine in peer["cosines"].items()]
    return "\n".join(parts) + "\n"


def _cell(number, close):
    if number is None:
        return ""
    text = f"{number:.1e}"
    return text if number <= close else f"**{text}**"
