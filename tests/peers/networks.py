#!/usr/bin/env python3
"""Ziggurat's gradients beside PyTorch's, network by network: every classification builder of torchvision, and more than a hundred families of timm.

For a network with random weights (architectures.py) and one random picture it computes with PyTorch, in float64, d logit / d picture of the class
with the largest logit: the exact gradient. It exports the network with an exporter for an opset (old: TorchScript; dynamo; converted: dynamo's file
brought to a lower opset by onnx.version_converter), runs `ziggurat gradient` on the file, and takes the relative L2 error against the exact one. A result
passes if that is at most 5e-3, or at most three times the error of PyTorch's own float32 gradient: float32 flips a few ReLU masks near zero, in networks
that amplify rounding more than a few.

Setting up
    python3 -m venv venv && venv/bin/pip install torch torchvision timm numpy onnx onnxscript onnxruntime
    cargo build --release
Running (hours; it can be stopped and goes on where it was)
    OMP_NUM_THREADS=1 venv/bin/python tests/peers/networks.py --ziggurat target/release/ziggurat --pairs old:17 dynamo:20
    venv/bin/python tests/peers/networks.py --table
Results are added to networks.jsonl beside this script, one line for a network, exporter and opset; what is there is not done again (--again: it
is, and the new line counts). --table writes src/autodiff/NETWORKS.md from them. Exported models are deleted after use.
"""
import argparse
import contextlib
import io
import json
import multiprocessing
import pathlib
import shutil
import subprocess
import tempfile
import time
import warnings

from figures import cause, distance, one_line, rounded

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = HERE / "networks.jsonl"
TABLE = HERE.parents[1] / "src/autodiff/NETWORKS.md"
LOWEST = 18  # the opset that dynamo writes when it is asked for a lower one
PAIRS = ["old:17", "dynamo:20", "old:13", "old:20", "dynamo:18", "converted:17"]


def results():
    """The newest result of every (network, exporter, opset)."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return {(line["network"], line["exporter"], line["opset"]): line for line in map(json.loads, lines)}


def record(network, exporter, opset, **found):
    line = {"network": network, "exporter": exporter, "opset": opset, **found}
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


class Failed(Exception):
    """Why there is no gradient to compare: (at which stage, the message)."""


def export(model, picture, path, exporter, opset):
    """Writes the model; the opset that the file says."""
    import onnx
    import torch
    from onnx import version_converter

    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model, (torch.from_numpy(picture),), str(path), input_names=["x"], output_names=["logits"],
                opset_version=LOWEST if exporter == "converted" else opset, dynamo=exporter != "old",
            )
        if exporter == "converted":
            onnx.save(version_converter.convert_version(onnx.load(str(path)), opset), str(path))
    except Exception as problem:
        raise Failed("export", cause(problem)) from problem
    imports = onnx.load(str(path), load_external_data=False).opset_import
    return next(each.version for each in imports if each.domain in ("", "ai.onnx"))


def differentiate(ziggurat, path, known, limit):
    """Ziggurat's gradient of the model file."""
    import numpy as np

    given, made = path.with_name("x.npy"), path.with_name("g.npy")
    np.save(given, known["picture"])
    made.unlink(missing_ok=True)
    command = [ziggurat, "gradient", path, "--target", f"class:{known['index']}", "--input", given, "--output", made, "--provider", "cpu"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired as late:
        raise Failed("gradient", f"not done after {limit} s") from late
    if done.returncode != 0:
        raise Failed("gradient", done.stderr[done.stderr.rfind("ziggurat: ") :] or f"exit status {done.returncode}")
    return np.load(made).astype("f8")


def wrong_file(path, known):
    """The relative error of the logits that ONNX Runtime computes from the file: much above 1e-5, and the file is not the network. None if it refuses it."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception:
        return None
    (logits,) = session.run(None, {session.get_inputs()[0].name: known["picture"]})
    return rounded(distance(logits.astype("f8"), known["logits"]))


def attempt(name, pairs, ziggurat, cache, limit):
    """Every pair of one network; runs in a process of its own."""
    import torch

    from architectures import build
    from networks_table import grade
    from references import doubts, last_bits, reference

    folder = pathlib.Path(tempfile.mkdtemp(dir=cache))
    start = time.perf_counter()
    try:
        model, size = build(name)
        known = reference(name, model, size, cache)
    except Exception as problem:
        for exporter, opset in pairs:
            record(name, exporter, opset, failed="reference", why=one_line(f"{type(problem).__name__}: {problem}", folder))
        return
    common = {"parameters": sum(value.numel() for value in model.parameters()), "float32": rounded(known["float32"])}
    prepared = round(time.perf_counter() - start, 1)
    for exporter, opset in pairs:
        path = folder / "model.onnx"
        found = {**common, "seconds": {"prepare": prepared}}
        start = time.perf_counter()
        try:
            found["written"] = export(model, known["picture"], path, exporter, opset)
            found["seconds"]["export"] = round(time.perf_counter() - start, 1)
            start = time.perf_counter()
            mine = differentiate(ziggurat, path, known, limit)
            found["seconds"]["gradient"] = round(time.perf_counter() - start, 1)
            found["error"] = rounded(distance(mine, known["exact"]))
            if grade(found) == "wrong":
                slope, others = doubts(model, known)
                found |= {"file": wrong_file(path, known), "slope": round(slope, 5), "others": {way: rounded(each) for way, each in others.items()}}
            if grade(found) == "wrong":
                more = [reference(name, model, size, cache, seed) for seed in range(2, 7)]
                errors = [distance(differentiate(ziggurat, path, each, limit), each["exact"]) for each in more]
                own = [known["float32"], *(each["float32"] for each in more)]
                found["pictures"] = {"ziggurat": [found["error"], *map(rounded, errors)], "float32": [*map(rounded, own)]}
                moved = [{**known, "picture": last_bits(torch.from_numpy(known["picture"]), seed).numpy()} for seed in range(3)]
                found["moved"] = [rounded(distance(differentiate(ziggurat, path, each, limit), each["exact"])) for each in moved]
        except Failed as problem:
            stage, why = problem.args
            found |= {"failed": stage, "why": one_line(why, folder)}
        except Exception as problem:
            found |= {"failed": "comparison", "why": one_line(f"{type(problem).__name__}: {problem}", folder)}
        record(name, exporter, opset, **found)
        for left in folder.iterdir():
            left.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def run(options):
    import architectures

    small, large = architectures.names()
    chosen = options.names or (large if options.large else small)
    pairs = [(exporter, int(opset)) for exporter, opset in (pair.split(":") for pair in options.pairs)]
    options.cache.mkdir(parents=True, exist_ok=True)
    if any(name.startswith("timm:") for name in chosen):
        import timm  # noqa: F401  once, not in every process
    for name in chosen:
        before = {} if options.again else results()
        wanted = [pair for pair in pairs if (name, *pair) not in before]
        if not wanted:
            continue
        length = RESULTS.stat().st_size if RESULTS.exists() else 0
        child = multiprocessing.get_context("fork").Process(
            target=attempt, args=(name, wanted, options.ziggurat.resolve(), options.cache, options.limit)
        )
        child.start()
        child.join(limit := options.limit * (1 + len(wanted)))
        if late := child.is_alive():
            child.kill()
            child.join()
        said = RESULTS.read_text()[length:] if RESULTS.exists() else ""
        done = {(line["network"], line["exporter"], line["opset"]) for line in map(json.loads, said.splitlines())}
        for pair in wanted:
            if (name, *pair) not in done:
                record(name, *pair, failed="export", why=f"not done after {limit} s" if late else f"its process ended with status {child.exitcode}")


def write_table():
    import architectures
    from networks_table import table

    small, large = architectures.names()
    pairs = [(exporter, int(opset)) for exporter, opset in (pair.split(":") for pair in PAIRS)]
    TABLE.write_text(table(results(), sorted(pairs, reverse=True), small + large))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="networks: a builder of torchvision, or timm:NAME (default: all but the large ones)")
    parser.add_argument("--ziggurat", type=pathlib.Path, default=HERE.parents[1] / "target/release/ziggurat")
    parser.add_argument("--pairs", nargs="+", default=PAIRS, metavar="EXPORTER:OPSET", help="default: " + " ".join(PAIRS))
    parser.add_argument("--table", action="store_true", help="write the table, run nothing")
    parser.add_argument("--large", action="store_true", help="the large networks instead")
    parser.add_argument("--again", action="store_true", help="also what has a result")
    parser.add_argument("--limit", type=int, default=300, help="seconds for one gradient; and for one export")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / "ziggurat-networks", help="references are kept here")
    options = parser.parse_args()
    write_table() if options.table else run(options)
