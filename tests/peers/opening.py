#!/usr/bin/env python3
"""Opening a large model: Ziggurat beside ONNX Runtime itself, on the same files, in turns.

What is measured
    ONNX Runtime        a Python process that opens an InferenceSession on the file (CPU, all optimisations, as many threads as cores):
                        seconds of that call alone, and the process's peak memory.
    ziggurat layers     the whole process: seconds by the clock, and peak memory.
    ziggurat gradient   the same; it opens a session with the model and its gradient, and runs it once.
The files: a network like VGG of about --megabytes with random weights inside the file, and the same with its weights in a file beside it.
Every contender opens every file once before anything is measured, so that files come from memory.

Setting up
    python3 -m venv venv && venv/bin/pip install onnx onnxruntime==1.32.0 numpy      # the version that Ziggurat fetches
Running
    cargo build --release && target/release/ziggurat setup
    venv/bin/python tests/peers/opening.py --ziggurat target/release/ziggurat
It prints a table of medians and, last, one JSON line.
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

PEER = """
import sys, time, onnxruntime
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
begin = time.perf_counter()
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
print(time.perf_counter() - begin)
"""


def network(megabytes):
    """Convolutions of 3 x 3, pooled five times, and two large products, which hold most of the weights, as in VGG."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(1)
    nodes, weights = [], []

    def weight(name, *dims):
        scale = (2 / np.prod(dims[1:])) ** 0.5 if len(dims) > 1 else 0.01
        array = random.standard_normal(dims, dtype=np.float32) * np.float32(scale)
        weights.append(numpy_helper.from_array(array, name))
        return name

    value, channels = "image", 3
    for stage, (width, depth) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]):
        for index in range(depth):
            name = f"features.{stage}.{index}"
            inputs = [value, weight(f"{name}.weight", width, channels, 3, 3), weight(f"{name}.bias", width)]
            nodes.append(helper.make_node("Conv", inputs, [f"{name}/conv"], pads=[1] * 4, kernel_shape=[3, 3]))
            nodes.append(helper.make_node("Relu", [f"{name}/conv"], [f"{name}/relu"]))
            value, channels = f"{name}/relu", width
        nodes.append(helper.make_node("MaxPool", [value], [f"pool{stage}"], kernel_shape=[2, 2], strides=[2, 2]))
        value = f"pool{stage}"
    nodes.append(helper.make_node("Flatten", [value], ["flat"]))
    held = sum(np.prod(tensor.dims) for tensor in weights)
    width = int((megabytes * 1e6 / 4 - held) / (25088 + 1000))
    for name, value, inner, outer in [("hidden", "flat", 25088, width), ("logits", "hidden/relu", width, 1000)]:
        inputs = [value, weight(f"{name}.weight", outer, inner), weight(f"{name}.bias", outer)]
        nodes.append(helper.make_node("Gemm", inputs, [name], transB=1))
        if name == "hidden":
            nodes.append(helper.make_node("Relu", [name], ["hidden/relu"]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 224, 224])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 1000])
    graph = helper.make_graph(nodes, "vgg", [image], [logits], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def write(folder, megabytes):
    import onnx

    model = network(megabytes)
    onnx.save(model, folder / f"inside-{megabytes}.onnx")
    onnx.save(model, folder / f"beside-{megabytes}.onnx", save_as_external_data=True, location=f"beside-{megabytes}.data")
    np.save(folder / "x.npy", np.zeros((1, 3, 224, 224), np.float32))


def make(folder, megabytes):
    """The two files, made by a process that ends: a process begins with its parent's peak memory as its own."""
    models = {which: folder / f"{which}-{megabytes}.onnx" for which in ["inside", "beside"]}
    if not all(model.exists() for model in models.values()):
        process = multiprocessing.get_context("spawn").Process(target=write, args=(folder, megabytes))
        process.start()
        process.join()
    return models


def measured(command):
    """Seconds, peak memory in MiB, and what the process printed."""
    begin = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output, errors = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command}: {errors}")
    return seconds, usage.ru_maxrss / 1024, output


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ziggurat", required=True, type=pathlib.Path)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--times", type=int, default=5, help="measurements of each; medians are told")
    parser.add_argument("--folder", type=pathlib.Path, help="where the models are made, or lie already; default: one that is deleted")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        models = make(folder, arguments.megabytes)
        report = {}
        for which, model in models.items():
            ziggurat = [arguments.ziggurat]
            contenders = {
                "ONNX Runtime": [sys.executable, "-c", PEER, model],
                "ziggurat layers": [*ziggurat, "layers", model],
                "ziggurat gradient": [*ziggurat, "gradient", model, "--target", "3", "--provider", "cpu",
                                      "--input", folder / "x.npy", "--output", folder / "g.npy"],
            }
            found = {name: [] for name in contenders}
            for turn in range(arguments.times + 1):
                for name, command in contenders.items():
                    seconds, memory, output = measured(command)
                    if name == "ONNX Runtime":
                        seconds = float(output)
                    if turn:
                        found[name].append((seconds, memory))
            medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in found.items()}
            own = medians["ONNX Runtime"]
            print(f"weights {which} the file, {arguments.megabytes} MB; medians of {arguments.times}")
            for name, (seconds, memory) in medians.items():
                print(f"  {name:18} {seconds:6.2f} s ({seconds / own[0]:4.2f})  {memory:6.0f} MiB ({memory / own[1]:4.2f})")
            report[which] = medians
        print(json.dumps(report))


if __name__ == "__main__":
    main()
