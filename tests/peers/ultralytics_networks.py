"""Ultralytics's image classifiers for exporters.py: the smallest of each generation, with random weights, exported by Ultralytics."""
import pathlib
import shutil

import torch
from architectures import prepare
from references import Differentiated
from ultralytics import YOLO

SIDE = 224


def build(name):
    return Network(name)


class Logits(torch.nn.Module):
    """The logits, which the network makes probabilities of."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, picture):
        found = []
        hook = self.model.model[-1].linear.register_forward_hook(lambda _module, _given, made: found.append(made))
        self.model(picture)
        hook.remove()
        return found[0]


class Network(Differentiated):
    def __init__(self, name):
        torch.manual_seed(0)
        self.yolo = YOLO(f"{name}.yaml", task="classify")
        model = self.yolo.model
        model.names = {index: f"thing {index}" for index in range(len(model.names))}
        prepare(model, (SIDE, SIDE))
        self.network = Logits(model)
        self.picture = torch.rand(1, 3, SIDE, SIDE).numpy()

    def export(self, path, exporter, opset):
        written = self.yolo.export(format="onnx", imgsz=SIDE, opset=opset, dynamic=exporter == "dynamic", simplify=False, verbose=False)
        shutil.move(written, path)
        pathlib.Path(path).chmod(0o644)
