"""Ultralytics's image classifiers for exporters.py: the smallest of each generation, with random weights, exported by Ultralytics."""
import copy
import pathlib
import shutil

import torch
from architectures import prepare
from ultralytics import YOLO

SIDE = 224


def build(name):
    return Network(name)


class Network:
    def __init__(self, name):
        torch.manual_seed(0)
        self.yolo = YOLO(f"{name}.yaml", task="classify")
        self.model = self.yolo.model
        self.model.names = {index: f"thing {index}" for index in range(len(self.model.names))}
        prepare(self.model, (SIDE, SIDE))
        self.picture = torch.rand(1, 3, SIDE, SIDE).numpy()

    def logits(self, picture):
        """As a tensor of the picture's type: the network makes probabilities of them."""
        model = copy.deepcopy(self.model).to(picture.dtype).eval()
        found = []
        model.model[-1].linear.register_forward_hook(lambda _module, _given, made: found.append(made))
        model(picture)
        return found[-1]

    def scores(self, picture):
        with torch.no_grad():
            return self.logits(torch.tensor(picture, dtype=torch.float64)).numpy()

    def gradient(self, elem, index=None):
        point = torch.tensor(self.picture, dtype=getattr(torch, elem), requires_grad=True)
        logits = self.logits(point)
        index = int(logits[0].argmax()) if index is None else index
        (slope,) = torch.autograd.grad(logits[0, index], point)
        return slope.numpy().astype("float64"), logits.detach().numpy().astype("float64")

    def export(self, path, exporter, opset):
        written = self.yolo.export(format="onnx", imgsz=SIDE, opset=opset, dynamic=exporter == "dynamic", simplify=False, verbose=False)
        shutil.move(written, path)
        pathlib.Path(path).chmod(0o644)
