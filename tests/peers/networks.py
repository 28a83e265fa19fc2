#!/usr/bin/env python3
"""Ziggurat's gradients beside PyTorch's, network by network: every classification builder of torchvision, and more than a hundred families of timm.

For a network with random weights (architectures.py) and one random picture it computes with PyTorch, in float64, d logit / d picture of the class
with the largest logit: the exact gradient. It exports the network with an exporter (old: TorchScript; dynamo) for an opset, runs
`ziggurat gradient` on the file, and takes the relative L2 error against the exact one. A result passes if that is at most 5e-3, or at most three times
the error of PyTorch's own float32 gradient: float32 flips a few ReLU masks near zero, in networks that amplify rounding more than a few.

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
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import warnings

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = HERE / "networks.jsonl"
PAIRS = ["old:17", "dynamo:20", "dynamo:17", "old:13", "old:20", "dynamo:13"]


def results():
    """The newest result of every (network, exporter, opset)."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return {(line["network"], line["exporter"], line["opset"]): line for line in map(json.loads, lines)}


def record(network, exporter, opset, **found):
    line = {"network": network, "exporter": exporter, "opset": opset, **found}
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def one_line(text, folder, most=300):
    """`text` on one line, without what belongs to this machine."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text).replace(str(folder) + "/", "")
    return re.sub(r"\s+", " ", re.sub(r"(/[\w.+-]+)+/(?=[\w.+-])", "", text)).strip()[:most]


class Failed(Exception):
    """Why there is no gradient to compare: (at which stage, one line)."""


def reference(name, model, size, cache):
    """The picture, the exact gradient, the logits in float64, and PyTorch's own float32 gradient's relative error."""
    import numpy as np
    import torch
    from architectures import forget

    kept = cache / (name.replace(":", "_") + ".npz")
    if not kept.exists():
        picture = np.random.default_rng(1).normal(0, 0.7, (1, 3, *size)).astype("float32")
        found = {}
        for precision in (torch.float64, torch.float32):
            model.to(precision)
            forget(model)
            point = torch.from_numpy(picture).to(precision).requires_grad_(True)
            logits = model(point)
            index = found["index"] if found else int(logits.argmax())
            (gradient,) = torch.autograd.grad(logits[0, index], point)
            if found:
                found["float32"] = distance(gradient.double().numpy(), found["exact"])
            else:
                found = {"picture": picture, "index": index, "exact": gradient.numpy(), "logits": logits.detach().numpy()}
        forget(model)
        np.savez(kept, **found)
    return dict(np.load(kept))


def distance(mine, exact):
    """Relative L2 error."""
    import numpy as np

    return float(np.linalg.norm(mine - exact) / np.linalg.norm(exact))


def export(model, picture, path, exporter, opset):
    """Writes the model; the opset that the file says."""
    import onnx
    import torch

    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model, (torch.from_numpy(picture),), str(path), input_names=["x"], output_names=["logits"],
                opset_version=opset, dynamo=exporter == "dynamo",
            )
    except Exception as problem:
        raise Failed("export", f"{type(problem).__name__}: {problem}") from problem
    imports = onnx.load(str(path), load_external_data=False).opset_import
    return next(each.version for each in imports if each.domain in ("", "ai.onnx"))


def differentiate(ziggurat, path, index, picture, limit):
    """Ziggurat's gradient of the model file."""
    import numpy as np

    given, made = path.with_name("x.npy"), path.with_name("g.npy")
    np.save(given, picture)
    made.unlink(missing_ok=True)
    command = [ziggurat, "gradient", path, "--target", f"class:{index}", "--input", given, "--output", made, "--provider", "cpu"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired as late:
        raise Failed("gradient", f"not done after {limit} s") from late
    if done.returncode != 0:
        raise Failed("gradient", done.stderr or f"exit status {done.returncode}")
    return np.load(made).astype("f8")


def examine(path, known, mine):
    """What the file itself computes, where the gradients disagree: its logits' error, and its slope along the direction in which they disagree
    the most, beside the slopes that either gradient promises there."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    logits = lambda picture: session.run(None, {session.get_inputs()[0].name: picture})[0].astype("f8")
    apart = mine - known["exact"]
    direction = apart / np.linalg.norm(apart)
    index = int(known["index"])
    slopes = {}
    for step in (0.03, 0.1, 0.3):
        ahead, behind = (logits((known["picture"] + side * step * direction).astype("f4"))[0, index] for side in (1, -1))
        slopes[str(step)] = float(f"{(ahead - behind) / (2 * step):.3g}")
    promised = {side: float(f"{(gradient * direction).sum():.3g}") for side, gradient in (("ziggurat", mine), ("pytorch", known["exact"]))}
    return {"logits": float(f"{distance(logits(known['picture']), known['logits']):.2e}"), "slopes": slopes, "promised": promised}


def attempt(name, pairs, ziggurat, cache, limit):
    """Every pair of one network; runs in a process of its own."""
    from architectures import build

    folder = pathlib.Path(tempfile.mkdtemp(dir=cache))
    start = time.perf_counter()
    try:
        model, size = build(name)
        known = reference(name, model, size, cache)
        own, picture = float(known["float32"]), known["picture"]
    except Exception as problem:
        for exporter, opset in pairs:
            record(name, exporter, opset, failed="reference", why=one_line(f"{type(problem).__name__}: {problem}", folder))
        return
    common = {"parameters": sum(value.numel() for value in model.parameters()), "float32": float(f"{own:.2e}")}
    prepared = round(time.perf_counter() - start, 1)
    for exporter, opset in pairs:
        path = folder / "model.onnx"
        found = {**common, "seconds": {"prepare": prepared}}
        start = time.perf_counter()
        try:
            found["written"] = export(model, picture, path, exporter, opset)
            found["seconds"]["export"] = round(time.perf_counter() - start, 1)
            start = time.perf_counter()
            mine = differentiate(ziggurat, path, int(known["index"]), picture, limit)
            found["seconds"]["gradient"] = round(time.perf_counter() - start, 1)
            found["error"] = float(f"{distance(mine, known['exact']):.2e}")
            if not passes(found):
                found["file"] = examine(path, known, mine)
        except Failed as problem:
            stage, why = problem.args
            found |= {"failed": stage, "why": one_line(why, folder)}
        record(name, exporter, opset, **found)
        for left in folder.iterdir():
            left.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def passes(result):
    return result.get("error", float("inf")) <= max(5e-3, 3 * result.get("float32", 0))


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
        child.join(options.limit * (1 + len(wanted)))
        if child.is_alive():
            child.kill()
            child.join()
        said = RESULTS.read_text()[length:] if RESULTS.exists() else ""
        done = {(line["network"], line["exporter"], line["opset"]) for line in map(json.loads, said.splitlines())}
        for pair in wanted:
            if (name, *pair) not in done:
                record(name, *pair, failed="export", why=f"the process ended with status {child.exitcode}, or its time was up")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="networks: a builder of torchvision, or timm:NAME (default: all but the large ones)")
    parser.add_argument("--ziggurat", type=pathlib.Path, default=HERE.parents[1] / "target/release/ziggurat")
    parser.add_argument("--pairs", nargs="+", default=PAIRS, metavar="EXPORTER:OPSET", help="default: " + " ".join(PAIRS))
    parser.add_argument("--large", action="store_true", help="the large networks instead")
    parser.add_argument("--again", action="store_true", help="also what has a result")
    parser.add_argument("--limit", type=int, default=300, help="seconds for one gradient; and for one export")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / "ziggurat-networks", help="references are kept here")
    options = parser.parse_args()
    run(options)
