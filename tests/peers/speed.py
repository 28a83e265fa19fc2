#!/usr/bin/env python3
"""What a gradient and a step of the ascent cost, beside a forward pass and beside PyTorch: network by network, everybody in turns, in one run.

What is measured, on the CPU
    forward     a forward pass by ONNX Runtime of the file that PyTorch exports: what anything costs at the very least.
    gradient    forward pass and gradient of the sum of all logits, by ONNX Runtime, of the file that `ziggurat gradient --export` writes.
    step        a step of `ziggurat run`: what each of --steps further steps adds to the seconds of the process, so that neither its start nor the
                last look at the picture count. Its peak memory is that of the whole process. For batches: a step of each of so many runs that one
                command makes together, beside a forward pass of one picture ("forward of one").
    PyTorch     the same gradient by PyTorch (eager; its weights need none). --compile: by torch.compile, too.
    before      gradient and step by the program of an earlier version (--before), if there is one.
Networks have random weights (architectures.py), so nothing is downloaded. Errors are relative (L2), against the gradient in float64: Ziggurat's, the
larger one if there are two, and PyTorch's own in float32. Medians; everybody takes --turns turns of --passes passes, fewer where these take long.
On a busy machine, --clock processor --threads 1 counts the seconds of the processor instead, and --statistic fastest shows the fastest turns:
what other processes take then hardly matters.

Setting up
    # ONNX Runtime in the version that Ziggurat downloads
    python3 -m venv venv && venv/bin/pip install torch torchvision numpy onnx onnxscript onnxruntime==1.32.0
    cargo build --release && target/release/ziggurat setup
Running
    venv/bin/python tests/peers/speed.py --ziggurat target/release/ziggurat --before OLD/ziggurat
    venv/bin/python tests/peers/speed.py --ziggurat target/release/ziggurat --batches 1 4 8 resnet18
It prints a table and, last, one JSON line. It warns if other processes took part in the machine meanwhile.
"""
import argparse
import copy
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch

import architectures
import lite
from figures import distance
from networks import Failed, export
from turns import QUIET, SETTLE, Others, Session, Timed

HERE = pathlib.Path(__file__).resolve().parent
NETWORKS = """
    efficientnet_lite0 resnet18 resnet50 mobilenet_v3_small convnext_tiny densenet121 vgg11 vit_b_16 swin_t efficientnet_v2_s
""".split()
FEW = 48  # steps of the shorter of two runs: as many as an animation has frames, so that further steps store none


class Steps:
    """Pairs of a short and a long `ziggurat run` of as many classes as `runs`: what a further step of one of them costs. Several runs have a
    worker per processor, as under `--provider auto`."""

    def __init__(self, binary, model, folder, steps, clock, runs, processors):
        self.clock, self.runs = clock, runs
        classes = [f"class:{number + 1}" for number in range(runs)]
        self.command = [sys.executable, "-S", HERE / "measured.py", binary, "run", *classes, "--model", model, "--again", "--json"]
        self.command += ["--provider", ",".join(["cpu"] * min(runs, processors))]
        self.command += ["--out", folder / ("picture.png" if runs == 1 else "pictures"), "--steps"]
        self.more, self.short, self.long, self.peak = steps, [], [], 0

    def turn(self):
        self.short.append(self.run(FEW))
        self.long.append(self.run(FEW + self.more))

    @property
    def seconds(self):
        """The fastest long run beside the fastest short one, and so on: a disturbed run then makes no difference negative."""
        pairs = zip(sorted(self.short), sorted(self.long))
        return [(long - short) / self.more / self.runs for short, long in pairs]

    def run(self, steps):
        done = subprocess.run([*map(str, self.command), str(steps)], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"speed: {done.stderr.strip()}")
        cost = json.loads(done.stdout.splitlines()[-1])
        self.peak = max(self.peak, cost["peak"])
        return cost[self.clock]


def build(name):
    """The network, evaluating, with weights that need no gradient, and the (height, width) of its pictures."""
    if name != "efficientnet_lite0":
        model, size = architectures.build(name)
    else:
        torch.manual_seed(0)
        model = lite.Lite(0)
        size = (model.side, model.side)
        architectures.prepare(model, size)
    return model.requires_grad_(False), size


def by_pytorch(model, picture):
    """A function that returns the gradient of the sum of all logits, in the picture's type."""
    picture = torch.from_numpy(picture).requires_grad_()
    return lambda: torch.autograd.grad(model(picture).sum(), picture)[0]


def exported(model, picture, file, pairs):
    """Writes the model by the first exporter and opset that can; which that was."""
    for pair in pairs:
        exporter, opset = pair.split(":")
        try:
            export(model, picture, file, exporter, int(opset))
            return pair
        except Failed as problem:
            why = problem.args[1]
    sys.exit(f"speed: no exporter can write the network: {why}")


def with_gradient(binary, model, path):
    """Writes the model with its gradient to `path`, which is returned."""
    done = subprocess.run([binary, "gradient", model, "--export", path], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"speed: {done.stderr.strip()}")
    return path


def measure(name, batch, chosen, folder):
    """The contenders of a network in turns: name of each, and what was found."""
    threads = torch.get_num_threads()
    model, size = build(name)
    picture = np.random.default_rng(1).normal(0, 0.7, (batch, 3, *size)).astype("float32")
    file = folder / "model.onnx"
    pair = exported(model, picture, file, chosen.pairs)
    binaries = {"": chosen.ziggurat, " before": chosen.before}
    binaries = {suffix: binary.resolve() for suffix, binary in binaries.items() if binary}

    eager = by_pytorch(model, picture)
    clock = {"wall": time.perf_counter, "processor": time.process_time}[chosen.clock]
    contenders = {"forward": Session(file, threads, chosen.passes, clock), "PyTorch": Timed(eager, chosen.passes, clock)}
    if chosen.compile:
        contenders["torch.compile"] = Timed(by_pytorch(torch.compile(model), picture), chosen.passes, clock)
    for suffix, binary in binaries.items():
        path = with_gradient(binary, file, folder / f"gradient{suffix.strip()}.onnx")
        contenders["gradient" + suffix] = Session(path, threads, chosen.passes, clock)
    sessions = {key: each for key, each in contenders.items() if isinstance(each, Session)}
    for each in sessions.values():
        each.feed = {each.input.name: picture}
    if not chosen.no_steps:
        one = file
        if batch > 1:  # the file's batch size is fixed; a run has one picture
            one = folder / "one.onnx"
            exported(model, picture[:1], one, chosen.pairs)
            contenders["forward of one"] = Session(one, threads, chosen.passes, clock)
            contenders["forward of one"].feed = {contenders["forward of one"].input.name: picture[:1]}
        contenders |= {"step" + suffix: Steps(binary, one, folder, chosen.steps, chosen.clock, batch, threads) for suffix, binary in binaries.items()}

    exact = by_pytorch(copy.deepcopy(model).double(), picture.astype("float64"))().numpy()
    found = [each.session.run(["grad/" + each.input.name], each.feed)[0] for key, each in sessions.items() if key.startswith("gradient")]
    errors = {"ziggurat": max(distance(gradient, exact) for gradient in found), "PyTorch": distance(eager().numpy(), exact)}
    for _ in range(chosen.turns):
        for each in contenders.values():
            time.sleep(SETTLE)
            each.turn()
    row = {"network": name, "batch": batch, "exporter": pair, "errors": errors}
    # The differences of runs are in the order of the runs' times.
    middle = {"median": statistics.median, "fastest": lambda seconds: seconds[0]}[chosen.statistic]
    row["ms"] = {key: middle(each.seconds if isinstance(each, Steps) else sorted(each.seconds)) * 1e3 for key, each in contenders.items()}
    row["tenth_percentile_ms"] = {key: float(np.percentile(each.seconds, 10)) * 1e3 for key, each in contenders.items()}
    row["peak_mib"] = {key: each.peak / 2**20 for key, each in contenders.items() if isinstance(each, Steps)}
    return row


def table(rows):
    """Milliseconds of each contender, in forward passes too, and how many times as fast as PyTorch."""
    keys = list(dict.fromkeys(key for row in rows for key in row["ms"]))
    ratios = ["PyTorch / gradient", "PyTorch / step"]
    lines = [["network", *keys, *ratios, "MiB", "error", "PyTorch's"]]
    for row in rows:
        ms = row["ms"]

        def cell(key):
            if key not in ms:
                return ""
            one = ms.get("forward of one", ms["forward"]) if key.startswith("step") else ms["forward"]
            return f"{ms[key]:.1f}" + (f" ({ms[key] / one:.2f})" if not key.startswith("forward") else "")

        pictures = {"gradient": 1, "step": row["batch"]}
        fast = [f"{ms['PyTorch'] / ms[key] / count:.2f}" if key in ms else "" for key, count in pictures.items()]
        peak = row["peak_mib"].get("step")
        name = row["network"] + (f", batch of {row['batch']}" if row["batch"] > 1 else "")
        lines.append([name, *map(cell, keys), *fast, f"{peak:.0f}" if peak else "", *(f"{error:.1e}" for error in row["errors"].values())])
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def geometric_means(rows):
    """How many times as fast as PyTorch, and as before, over all rows of single pictures."""
    pairs = [("PyTorch", "gradient"), ("PyTorch", "step"), ("torch.compile", "gradient"), ("gradient before", "gradient"), ("step before", "step")]
    rows = [row for row in rows if row["batch"] == 1]
    ratios = {f"{slow} / {fast}": [row["ms"][slow] / row["ms"][fast] for row in rows if {slow, fast} <= row["ms"].keys()] for slow, fast in pairs}
    return {name: statistics.geometric_mean(each) for name, each in ratios.items() if each}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS, help="efficientnet_lite0, or builders of torchvision (default: ten)")
    parser.add_argument("--ziggurat", type=pathlib.Path, required=True, help="the ziggurat binary")
    parser.add_argument("--before", type=pathlib.Path, help="the ziggurat binary of an earlier version")
    parser.add_argument("--batches", type=int, nargs="+", default=[1], help="batch sizes (default 1)")
    parser.add_argument("--pairs", nargs="+", default=["old:17", "dynamo:20"], metavar="EXPORTER:OPSET",
                        help="the first that can write a network is taken (default: old:17 dynamo:20)")
    parser.add_argument("--no-steps", action="store_true", help="gradients alone")
    parser.add_argument("--compile", action="store_true", help="torch.compile, too; it needs a C++ compiler")
    parser.add_argument("--threads", type=int, default=2, help="processors for everybody (default 2)")
    parser.add_argument("--clock", choices=["wall", "processor"], default="wall", help="which seconds count (default wall)")
    parser.add_argument("--statistic", choices=["median", "fastest"], default="median",
                        help="what is shown of all passes and steps (default median)")
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--passes", type=int, default=20, help="passes per turn (default 20)")
    parser.add_argument("--steps", type=int, default=24, help="steps by which the longer of two runs is longer (default 24)")
    chosen = parser.parse_args()
    if min(chosen.threads, chosen.turns, chosen.passes, chosen.steps, *chosen.batches) < 1:
        parser.error("--threads, --turns, --passes, --steps and --batches: at least 1")
    return chosen


def main():
    chosen = options()
    processors = sorted(os.sched_getaffinity(0))[: chosen.threads]
    os.sched_setaffinity(0, processors)  # inherited by the processes started here: all get the same
    torch.set_num_threads(len(processors))
    others, rows = Others(processors), []
    for name in chosen.networks:
        for batch in chosen.batches:
            with tempfile.TemporaryDirectory() as folder:
                rows.append(measure(name, batch, chosen, pathlib.Path(folder)))
            print(json.dumps(rows[-1]), flush=True)
    print(table(rows))
    record = {"threads": len(processors), "clock": chosen.clock, "statistic": chosen.statistic, "torch": torch.__version__, "others": others.share(), "means": geometric_means(rows)}
    if record["others"] > QUIET:
        print(f"speed: other processes took {record['others']:.0%} of the processors; repeat it on a quiet machine before quoting it", file=sys.stderr)
    print(json.dumps(record | {"rows": rows}))


if __name__ == "__main__":
    main()
