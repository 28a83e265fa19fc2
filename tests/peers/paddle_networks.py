"""PaddlePaddle's networks for exporters.py: those of paddle.vision, and small ones with what those have little of.

Weights are random; so are the statistics of batch normalisation, which are those of random pictures, so that no layer is an identity.
"""
import contextlib
import copy
import io
import logging

import numpy as np
import paddle
from paddle import nn

CLASSES = 10


def build(name):
    return Network(name)


class Network:
    def __init__(self, name):
        paddle.seed(0)
        random = np.random.default_rng(1)
        build, size, pixels = SMALL.get(name, (getattr(paddle.vision.models, name, None), 224, False))
        size = {"inception_v3": 299, "lenet": 28}.get(name, size)
        channels = 1 if name == "lenet" else 3
        draw = (lambda *shape: random.integers(0, 256, shape)) if pixels else (lambda *shape: random.normal(0, 0.7, shape))
        model = Logits(paddle.vision.models.LeNet() if name == "lenet" else build())
        randomise(model, random, paddle.to_tensor(draw(4, channels, size, size).astype("float32")))
        model.eval()
        self.model = model
        self.picture = draw(1, channels, size, size).astype("float32")

    def gradient(self, elem, index=None):
        model = copy.deepcopy(self.model)
        model.to(dtype=elem)
        point = paddle.to_tensor(self.picture, dtype=elem, stop_gradient=False)
        logits = model(point)
        (gradient,) = paddle.grad(logits[0, int(logits[0].argmax()) if index is None else index], point)
        return gradient.numpy().astype("float64"), logits.numpy().astype("float64")

    def export(self, path, exporter, opset):
        batch = 1 if exporter == "fixed" else None
        shape = [batch, *self.picture.shape[1:]]
        logging.disable(logging.CRITICAL)
        with contextlib.redirect_stdout(io.StringIO()):
            paddle.onnx.export(
                self.model, str(path.with_suffix("")), input_spec=[paddle.static.InputSpec(shape, "float32", "image")], opset_version=opset
            )
        if not path.exists():
            raise RuntimeError("no file was written")


class Logits(nn.Layer):
    """The scores alone of networks with auxiliary ones (GoogLeNet)."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, picture):
        made = self.network(picture)
        return made[0] if isinstance(made, (list, tuple)) else made


def randomise(model, random, pictures):
    for layer in model.sublayers():
        if isinstance(layer, nn.layer.norm._BatchNormBase):
            layer._momentum = 0.0
            layer.weight.set_value(random.uniform(0.6, 1.4, layer.weight.shape).astype("float32"))
    for weight in model.parameters():
        if float(weight.abs().max()) < 1e-4:
            weight.set_value(random.normal(0, 0.2, weight.shape).astype("float32"))
    model.train()
    with paddle.no_grad():
        model(pictures)


def _small(activation=nn.ReLU):
    return nn.Sequential(
        nn.Conv2D(3, 16, 3, stride=2, padding=1), activation(), nn.MaxPool2D(2), nn.Conv2D(16, 32, 3, bias_attr=False), nn.BatchNorm2D(32), activation(),
        nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(32, CLASSES),
    )


class Pixels(nn.Layer):
    """Preprocessing inside, as Paddle's deployments have it: HWC on top of the pixels, normalised, resized."""

    def __init__(self):
        super().__init__()
        self.body = _small()
        self.register_buffer("mean", paddle.to_tensor([0.485, 0.456, 0.406]).reshape([1, 3, 1, 1]))
        self.register_buffer("std", paddle.to_tensor([0.229, 0.224, 0.225]).reshape([1, 3, 1, 1]))

    def forward(self, picture):
        picture = (picture / 255 - self.mean) / self.std
        return self.body(nn.functional.interpolate(picture, size=[80, 80], mode="bilinear"))


def activations():
    """One convolution and one activation after the other: all that paddle2onnx 2.1 converts (not Softplus, CELU)."""
    kinds = """ReLU6 ELU SELU GELU Silu Softsign Tanh Sigmoid Hardsigmoid Hardswish Mish LeakyReLU LogSigmoid Hardtanh Softshrink Hardshrink
        Tanhshrink ThresholdedReLU Swish PReLU""".split()
    parts = [nn.Conv2D(3, 16, 3)]
    for kind in kinds:
        parts += [getattr(nn, kind)(), nn.GroupNorm(4, 16), nn.Conv2D(16, 16, 3, padding=1)]
    return nn.Sequential(*parts, nn.InstanceNorm2D(16), nn.Tanh(), nn.AdaptiveAvgPool2D(2), nn.Flatten(), nn.Linear(64, CLASSES))


class Vit(nn.Layer):
    def __init__(self, width=48, places=36):
        super().__init__()
        self.patches = nn.Conv2D(3, width, 16, stride=16)
        self.first = self.create_parameter([1, 1, width])
        self.positions = self.create_parameter([1, places + 1, width])
        layer = nn.TransformerEncoderLayer(width, 3, 2 * width, dropout=0.0, activation="gelu", normalize_before=True)
        self.encoder = nn.TransformerEncoder(layer, 3, nn.LayerNorm(width))
        self.head = nn.Linear(width, CLASSES)

    def forward(self, picture):
        tokens = self.patches(picture).flatten(2).transpose([0, 2, 1])
        first = self.first.expand([tokens.shape[0], -1, -1])
        tokens = paddle.concat([first, tokens], axis=1) + self.positions
        return self.head(self.encoder(tokens)[:, 0])


# Each with the side of its pictures, and whether it takes pixels, 0 to 255.
SMALL = {"pixels": (Pixels, 96, True), "activations": (activations, 48, False), "vit": (Vit, 96, False)}
