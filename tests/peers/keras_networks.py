"""Keras's networks for exporters.py: those of keras.applications, and small ones that show what people put around and into theirs.

Weights are random; so are the statistics of batch normalisation, which are those of random pictures, so that no layer is an identity.
"""
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "KERAS_BACKEND": "tensorflow"}

import keras
import numpy as np
import tensorflow as tf
from keras import layers

CLASSES = 10
MEAN, VARIANCE = [123.7, 116.3, 103.5], [3411.0, 3262.0, 3294.0]


def build(name):
    return Network(name)


class Network:
    """A network, twice: in float32, which is exported, and in float64 with the same weights."""

    def __init__(self, name):
        keras.utils.set_random_seed(0)
        self.exported = made(name, "float32", "softmax")
        self.differentiated = {elem: made(name, elem, None) for elem in ("float32", "float64")}
        self.channels_first = name == "channels_first"
        random = np.random.default_rng(1)
        shape = self.exported.inputs[0].shape[1:]
        pixels = SMALL[name][1] if name in SMALL else scales_itself(self.exported)
        draw = (lambda *shape: random.integers(0, 256, shape)) if pixels else (lambda *shape: random.normal(0, 0.7, shape))
        model = self.differentiated["float32"]
        randomise(model, random, draw(4, *shape))
        for other in (self.exported, self.differentiated["float64"]):
            other.set_weights(model.get_weights())
        picture = draw(1, *shape).astype("float32")
        self.picture = np.ascontiguousarray(picture if self.channels_first else picture.transpose(0, 3, 1, 2))

    def gradient(self, elem, index=None):
        model = self.differentiated[elem]
        picture = self.picture if self.channels_first else self.picture.transpose(0, 2, 3, 1)
        point = tf.constant(picture, elem)
        with tf.GradientTape() as tape:
            tape.watch(point)
            logits = model(point, training=False)
            logit = logits[0, int(np.argmax(logits[0])) if index is None else index]
        gradient = tape.gradient(logit, point).numpy().astype("float64")
        return gradient if self.channels_first else gradient.transpose(0, 3, 1, 2), logits.numpy().astype("float64")

    def export(self, path, exporter, opset):
        import tf2onnx

        model = self.exported
        if exporter in ("savedmodel", "tflite"):
            return self._by_command(path, exporter, opset)
        if exporter == "nchw" and self.channels_first:
            raise RuntimeError("its input has the channels first as it is")
        with quiet():
            if exporter == "keras":
                # It exports none that was never called; traced, also what TensorFlow cannot compute on the CPU.
                tf.function(model).get_concrete_function(tf.TensorSpec((None, *model.inputs[0].shape[1:]), model.inputs[0].dtype))
                model.export(str(path), format="onnx", opset_version=opset, verbose=False)
                return
            shape = (1 if exporter == "fixed" else None, *model.inputs[0].shape[1:])
            signature = (tf.TensorSpec(shape, model.inputs[0].dtype, name="image"),)
            turned = ["image"] if exporter == "nchw" else None
            tf2onnx.convert.from_keras(model, input_signature=signature, opset=opset, inputs_as_nchw=turned, output_path=str(path))

    def _by_command(self, path, exporter, opset):
        """As people do who have a file, not the program that made it."""
        with tempfile.TemporaryDirectory() as folder:
            saved = pathlib.Path(folder) / "saved"
            with quiet():
                if exporter == "tflite":
                    saved.write_bytes(tf.lite.TFLiteConverter.from_keras_model(self.exported).convert())
                else:
                    self.exported.export(str(saved), format="tf_saved_model", verbose=False)
            option = {"savedmodel": "--saved-model", "tflite": "--tflite"}[exporter]
            command = [sys.executable, "-m", "tf2onnx.convert", option, str(saved), "--opset", str(opset), "--output", str(path)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0 or not path.exists():
                raise RuntimeError(" ".join(done.stderr.strip().splitlines()[-2:]))


@contextlib.contextmanager
def quiet():
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def scales_itself(model):
    """Whether it takes pixels as they are, 0 to 255."""
    return any(isinstance(layer, (layers.Rescaling, layers.Normalization)) for layer in model.layers)


def made(name, elem, activation):
    keras.backend.set_floatx(elem)
    keras.backend.clear_session()
    try:
        if name in SMALL:
            return SMALL[name][0](elem, activation)
        open_size = name.startswith("MobileNetV3")  # they leave height and width open
        return getattr(keras.applications, name)(weights=None, classifier_activation=activation, **({"input_shape": (224, 224, 3)} if open_size else {}))
    finally:
        keras.backend.set_floatx("float32")


def randomise(model, random, pictures):
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0
    for weight in model.weights:
        value, name = weight.numpy(), weight.path.rsplit("/", 1)[-1]
        if name == "gamma" and np.allclose(value, 1):
            weight.assign(random.uniform(0.6, 1.4, value.shape))
        elif weight.trainable and np.abs(value).max() < 1e-4:
            weight.assign(random.normal(0, 0.2, value.shape))
    model(pictures.astype(model.inputs[0].dtype), training=True)


def _head(x, activation):
    return layers.Dense(CLASSES, activation=activation, name="predictions")(x)


def _small(x, activation, **conv):
    """A few layers behind what is to be shown."""
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu", **conv)(x)
    x = layers.MaxPooling2D(data_format=conv.get("data_format"))(x)
    x = layers.Conv2D(32, 3, padding="same", use_bias=False, **conv)(x)
    x = layers.BatchNormalization(axis=1 if conv.get("data_format") == "channels_first" else -1)(x)
    x = layers.ReLU()(x)
    return _head(layers.GlobalAveragePooling2D(data_format=conv.get("data_format"))(x), activation)


def tutorial(elem, activation):
    """As in the tutorials: augmentation and rescaling inside, a flattened picture behind."""
    image = keras.Input((96, 96, 3))
    body = keras.Sequential([
        layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.Rescaling(1 / 255),
        layers.Conv2D(16, 3, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Dropout(0.2), layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(CLASSES, activation=activation),
    ])
    return keras.Model(image, body(image))


def normalised(elem, activation):
    image = keras.Input((96, 96, 3))
    return keras.Model(image, _small(layers.Normalization(mean=MEAN, variance=VARIANCE)(image), activation))


def uint8(elem, activation):
    """Pixels as bytes in the file; for the gradient, in floating point."""
    image = keras.Input((96, 96, 3), dtype=elem if activation is None else "uint8")
    x = keras.ops.cast(image, elem)
    return keras.Model(image, _small(layers.Rescaling(1 / 127.5, offset=-1)(x), activation))


def caffe(elem, activation):
    """keras.applications' older preprocessing, inside: BGR, less the mean."""
    image = keras.Input((96, 96, 3))
    return keras.Model(image, _small(keras.applications.resnet50.preprocess_input(image), activation))


def resizing(elem, activation):
    image = keras.Input((120, 160, 3))
    x = layers.Resizing(96, 96)(image)
    return keras.Model(image, _small(layers.Rescaling(1 / 127.5, offset=-1)(layers.CenterCrop(80, 80)(x)), activation))


def channels_first(elem, activation):
    image = keras.Input((3, 96, 96))
    if activation is None:  # TensorFlow's gradient needs them last on the CPU
        return keras.Model(image, _small(layers.Permute((2, 3, 1))(image), activation))
    return keras.Model(image, _small(image, activation, data_format="channels_first"))


def blocks(elem, activation):
    """Layers that keras.applications has little of."""
    image = keras.Input((64, 64, 3))
    x = layers.Conv2D(16, 3, strides=2, padding="same")(image)
    x = layers.GroupNormalization(4)(x)
    x = layers.SeparableConv2D(24, 3, dilation_rate=2, padding="same", activation="relu")(x)
    x = layers.AveragePooling2D(3, strides=2, padding="same")(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same")(x)
    x = layers.UpSampling2D(interpolation="bilinear")(x)
    x = layers.ZeroPadding2D(((1, 2), (0, 3)))(layers.Cropping2D(2)(x))
    gate = layers.Dense(16, activation="sigmoid")(layers.GlobalMaxPooling2D(keepdims=True)(x))
    x = layers.Concatenate()([layers.Multiply()([x, gate]), layers.Maximum()([x, -x])])
    x = layers.SpatialDropout2D(0.1)(layers.UnitNormalization()(x))
    x = layers.Conv2D(32, 3, strides=2, activation="gelu")(x)
    x = layers.LayerNormalization()(layers.MaxPooling2D(3, strides=2, padding="same")(x))
    x = layers.Reshape((-1, 32))(x)
    x = layers.Conv1D(24, 3, activation="relu")(x)
    return keras.Model(image, _head(layers.GlobalAveragePooling1D()(x), activation))


def grouped(elem, activation):
    image = keras.Input((64, 64, 3))
    x = layers.Conv2D(16, 3, strides=2, padding="same")(image)
    return keras.Model(image, _small(layers.Conv2D(32, 3, groups=4)(x), activation))


def recurrent(elem, activation):
    """Reads the rows of a picture one after the other."""
    image = keras.Input((64, 64, 3))
    x = layers.Conv2D(16, 3, strides=4, activation="relu")(image)
    x = layers.Bidirectional(layers.LSTM(12, return_sequences=True))(layers.Reshape((16, -1))(x))
    return keras.Model(image, _head(layers.LSTM(12)(x), activation))


def gru(elem, activation):
    image = keras.Input((64, 64, 3))
    x = layers.Conv2D(16, 3, strides=4, activation="relu")(image)
    return keras.Model(image, _head(layers.GRU(12)(layers.Reshape((16, -1))(x)), activation))


def activations(elem, activation):
    """One convolution and one activation after the other: all that Keras has."""
    image = keras.Input((48, 48, 3))
    x = layers.Conv2D(16, 3, activation="relu6")(image)
    for each in [*map(layers.Activation, ACTIVATIONS), layers.PReLU(), layers.ELU(0.5), layers.LeakyReLU(0.1), layers.ReLU(6, 0.1, 0.2)]:
        x = layers.LayerNormalization()(each(layers.Conv2D(16, 3, padding="same")(x)))
    return keras.Model(image, _head(layers.GlobalAveragePooling2D()(x), activation))


ACTIVATIONS = """elu selu gelu silu softplus softsign tanh sigmoid hard_sigmoid hard_silu mish exponential leaky_relu log_sigmoid softmax log_softmax celu
    hard_tanh squareplus soft_shrink hard_shrink tanh_shrink sparse_plus""".split()


class Positions(layers.Layer):
    """Adds what is learned for each place."""

    def build(self, shape):
        self.positions = self.add_weight(shape=shape[1:], initializer="random_normal", name="positions")

    def call(self, tokens):
        return tokens + self.positions


def vit(elem, activation):
    image = keras.Input((96, 96, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = layers.Reshape((-1, 48))(layers.Conv2D(48, 16, strides=16)(x))
    x = Positions()(x)
    for _ in range(3):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([x, layers.MultiHeadAttention(3, 16)(y, y)])
        y = layers.Dense(96, activation="gelu")(layers.LayerNormalization(epsilon=1e-6)(x))
        x = layers.Add()([x, layers.Dense(48)(y)])
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    return keras.Model(image, _head(layers.GlobalAveragePooling1D()(x), activation))


# Each with whether it takes pixels, 0 to 255.
SMALL = {
    "tutorial": (tutorial, True), "normalised": (normalised, True), "uint8": (uint8, True), "caffe": (caffe, True), "resizing": (resizing, True),
    "channels_first": (channels_first, False), "blocks": (blocks, False), "grouped": (grouped, False), "recurrent": (recurrent, False), "gru": (gru, False),
    "activations": (activations, False), "vit": (vit, True),
}
