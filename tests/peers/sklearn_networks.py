"""scikit-learn's pipelines for exporters.py: preprocessing and a classifier of flattened pictures, fitted to random ones.

scikit-learn differentiates nothing: the exact gradients come from what a pipeline computes, step by step, in float64 (sklearn's attributes), as
finite differences along each pixel, which are exact to 1e-9 for networks that are linear between the kinks of their rectifiers.
"""
import numpy as np
import onnx
from onnx import compose, helper
from skl2onnx import to_onnx
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

SIDE, CLASSES = 12, 10


def mlp():
    return MLPClassifier((32, 24), max_iter=30, random_state=0)


PIPELINES = {
    "scaled_mlp": lambda: make_pipeline(StandardScaler(), mlp()),
    "pca_mlp": lambda: make_pipeline(PCA(40, whiten=True), mlp()),
    "scaled_logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=50)),
    "minmax_logistic": lambda: make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=50)),
    "whitened_lda": lambda: make_pipeline(PCA(40, whiten=True), LinearDiscriminantAnalysis()),
}


def build(name):
    return Network(name)


class Network:
    def __init__(self, name):
        random = np.random.default_rng(1)
        kinds = random.integers(0, CLASSES, 400)
        pictures = random.normal(0, 40, (400, SIDE * SIDE)) + random.normal(120, 30, (CLASSES, SIDE * SIDE))[kinds]
        self.pipeline = PIPELINES[name]().fit(pictures, kinds)
        self.picture = pictures[:1].reshape(1, 1, SIDE, SIDE).astype("float32")

    def scores(self, pictures):
        *steps, (_, last) = self.pipeline.steps
        for _, step in steps:
            pictures = step.transform(pictures)
        if not isinstance(last, MLPClassifier):
            return last.decision_function(pictures)
        for index, (weight, bias) in enumerate(zip(last.coefs_, last.intercepts_)):
            pictures = (np.maximum(pictures, 0) if index else pictures) @ weight + bias
        return pictures

    def gradient(self, elem, index=None):
        flat = self.picture.reshape(1, -1).astype(elem)
        step = {"float64": 1e-3, "float32": 0.5}[elem]
        moves = step * np.eye(flat.shape[1], dtype=elem)
        logits = self.scores(flat)
        index = int(logits.argmax()) if index is None else index
        slopes = (self.scores(flat + moves)[:, index] - self.scores(flat - moves)[:, index]) / (2 * step)
        return slopes.reshape(self.picture.shape).astype("float64"), logits.astype("float64")

    def export(self, path, exporter, opset):
        flat = self.picture.reshape(1, -1)
        model = to_onnx(self.pipeline, flat, target_opset={"": opset, "ai.onnx.ml": 3}, options={id(self.pipeline): {"zipmap": False}})
        nodes = [helper.make_node("Flatten", ["image"], ["flat"])]
        image = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [None, 1, SIDE, SIDE])
        out = helper.make_tensor_value_info("flat", onnx.TensorProto.FLOAT, [None, SIDE * SIDE])
        front = helper.make_model(helper.make_graph(nodes, "flatten", [image], [out]), opset_imports=model.opset_import, ir_version=model.ir_version)
        onnx.save(compose.merge_models(front, model, io_map=[("flat", model.graph.input[0].name)]), str(path))
