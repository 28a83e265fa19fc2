"""MXNet's networks for exporters.py: those of gluon's model zoo, with random weights and the statistics of random pictures."""
import os
import pathlib
import tempfile

# MXNet's own float32 gradient of batch normalisation with oneDNN is off by its whole length where statistics are fixed.
os.environ |= {"MXNET_MKLDNN_ENABLED": "0", "MXNET_ONEDNN_ENABLED": "0"}

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon
from mxnet.gluon.model_zoo import vision

NAMES = {"mobilenet1_0": "mobilenet1.0", "mobilenet_v2_1_0": "mobilenetv2_1.0", "squeezenet1_0": "squeezenet1.0", "squeezenet1_1": "squeezenet1.1", "inception_v3": "inceptionv3"}


def build(name):
    return Network(name)


class Network:
    def __init__(self, name):
        mx.random.seed(0)
        np.random.seed(0)
        random = np.random.default_rng(1)
        size = 299 if name == "inception_v3" else 224
        draw = lambda count: random.normal(0, 0.7, (count, 3, size, size)).astype("float32")
        self.model = vision.get_model(NAMES.get(name, name), pretrained=False)
        self.model.initialize(mx.init.Xavier())
        self.model(mx.nd.array(draw(1)))
        randomise(self.model, random, mx.nd.array(draw(4)))
        self.picture = draw(1)

    def gradient(self, elem, index=None):
        self.model.cast(elem)
        point = mx.nd.array(self.picture, dtype=elem)
        point.attach_grad()
        with autograd.record(train_mode=False):
            logits = self.model(point)
            index = int(logits[0].argmax().asscalar()) if index is None else index
            logit = logits[0, index]
        logit.backward(train_mode=False)
        return point.grad.asnumpy().astype("float64"), logits.asnumpy().astype("float64")

    def export(self, path, _exporter, _opset):
        """In opset 13: MXNet knows no other but 12, and takes none if it is told."""
        self.model.cast("float32")
        with tempfile.TemporaryDirectory() as folder:
            saved = str(pathlib.Path(folder) / "m")
            self.model.hybridize()
            self.model(mx.nd.array(self.picture))
            self.model.export(saved)
            self.model.hybridize(False)
            mx.onnx.export_model(f"{saved}-symbol.json", f"{saved}-0000.params", [self.picture.shape], "float32", str(path))


def randomise(model, random, pictures):
    norms = []
    model.apply(lambda block: norms.append(block) if isinstance(block, gluon.nn.BatchNorm) else None)
    for norm in norms:
        norm._kwargs["momentum"] = 0.0
        if norm._kwargs["fix_gamma"] is False:
            norm.gamma.set_data(mx.nd.array(random.uniform(0.6, 1.4, norm.gamma.shape)))
            norm.beta.set_data(mx.nd.array(random.normal(0, 0.2, norm.beta.shape)))
    with autograd.record(train_mode=True):
        model(pictures).wait_to_read()
