"""Hugging Face's image classifiers for exporters.py: one of each architecture, small, with random weights, exported as Optimum's command does.

Beside the file lies what Optimum and the image processor write there, which Ziggurat reads; the file leaves the number of pictures, channels, rows
and columns open where the architecture does.
"""
import pathlib
import shutil

import torch
import transformers
from architectures import forget, prepare
from optimum.exporters.onnx import onnx_export_from_model
from references import Differentiated

CLASSES = 10
SIDE = 64
BLOCKS = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96}
STAGES = {"hidden_sizes": [16, 24, 32, 48], "depths": [1, 1, 2, 1]}
# What differs from an architecture's own configuration.
NETWORKS = {
    "Beit": BLOCKS,
    "ConvNext": STAGES,
    "ConvNextV2": STAGES,
    "Cvt": {},
    "Data2VecVision": BLOCKS,
    "DeiT": BLOCKS,
    "Dinov2": {**BLOCKS, "image_size": 224, "patch_size": 16},
    "EfficientNet": {"width_coefficient": 1.0, "depth_coefficient": 1.0, "hidden_dim": 1280},
    "Hiera": {"embed_dim": 24, "image_size": [224, 224], "depths": [1, 1, 2, 1]},
    "Levit": {"image_size": 224},
    "MobileNetV1": {},
    "MobileNetV2": {},
    "MobileViT": {"image_size": 256},
    "PoolFormer": {"hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 2, 1]},
    "Pvt": {"image_size": 224, "hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 2, 1], "num_attention_heads": [1, 2, 3, 4]},
    "RegNet": {"embedding_size": 16, **STAGES, "groups_width": 8},
    "ResNet": {"embedding_size": 16, **STAGES},
    "Segformer": {"hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 2, 1], "num_attention_heads": [1, 2, 3, 4]},
    "Swin": {"embed_dim": 24, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 3, 4], "image_size": 224},
    "Swinv2": {"embed_dim": 24, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 3, 4], "image_size": 256},
    "ViT": BLOCKS,
    "ViTMSN": BLOCKS,
}


def build(name):
    return Network(name)


class Logits(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, picture):
        return self.model(pixel_values=picture).logits


class Network(Differentiated):
    def __init__(self, name):
        torch.manual_seed(0)
        changes = {"image_size": SIDE, **NETWORKS[name]}
        labels = {index: f"thing {index}" for index in range(CLASSES)}
        config = getattr(transformers, f"{name}Config")(id2label=labels, label2id={label: index for index, label in labels.items()}, **changes)
        self.model = getattr(transformers, f"{name}ForImageClassification")(config)
        side = config.image_size if isinstance(config.image_size, int) else config.image_size[0]
        self.processor = transformers.ViTImageProcessor(size={"height": side, "width": side})
        prepare(self.model, (side, side))
        self.network = Logits(self.model)
        self.picture = torch.randn(1, 3, side, side).numpy()

    def export(self, path, _exporter, opset):
        folder = pathlib.Path(path).parent
        forget(self.model)
        onnx_export_from_model(self.model, folder / "written", task="image-classification", opset=opset, do_validation=False)
        self.processor.save_pretrained(folder / "written")
        for file in (folder / "written").iterdir():
            shutil.move(file, folder / file.name)
