"""The model files of exported.py: networks of random weights, the pictures that they take, and their forms."""
import contextlib
import io
import warnings

MEAN, STD = 0.5, 0.25


def build(name):
    """The network, and the (height, width) of its pictures."""
    import torch

    if not name.startswith("hf:"):
        import architectures

        return architectures.build(name)
    import transformers
    from architectures import prepare

    torch.manual_seed(0)
    blocks = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96, "image_size": 64, "patch_size": 8, "num_labels": 10}
    config = getattr(transformers, name[3:] + "Config")(**blocks)
    network = getattr(transformers, name[3:] + "ForImageClassification")(config)

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, picture):
            return self.network(pixel_values=picture).logits

    model = Logits()
    prepare(model, (64, 64))
    return model, (64, 64)


def pictures(size):
    """Two pictures as bytes, (2, height, width, 3)."""
    import numpy as np

    return np.random.default_rng(7).integers(0, 256, (2, *size, 3), dtype="uint8")


def units(pixels):
    """Pictures as the network takes them, (N, 3, height, width)."""
    import numpy as np

    scaled = (pixels.astype("f4") / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def channels_last(model, is_bytes):
    """The network for pictures (N, height, width, 3), in its units or of bytes."""
    import torch

    class Last(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, picture):
            picture = picture.permute(0, 3, 1, 2)
            return self.model((picture.float() / 255 - MEAN) / STD if is_bytes else picture)

    return Last().eval()


def export(model, pixels, path, form):
    """Writes the model; the opset that the file says."""
    import onnx
    import torch

    exporter, _, opset = form.partition(":")
    example = torch.from_numpy(units(pixels))
    if exporter == "half":
        model, example = model.half(), example.half()
    if exporter in ("nhwc", "uint8"):
        model = channels_last(model, exporter == "uint8")
        example = torch.from_numpy(pixels) if exporter == "uint8" else example.permute(0, 2, 3, 1).contiguous()
    batch = {"dynamic_shapes": ({0: torch.export.Dim("N")},)} if exporter == "dynamo" else {"dynamic_axes": {"x": {0: "N"}, "logits": {0: "N"}}}
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with warnings.catch_warnings(), quiet[0], quiet[1]:
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (example,), str(path), input_names=["x"], output_names=["logits"], opset_version=int(opset or 17), dynamo=exporter == "dynamo", **batch
        )
    rewritten(path, exporter, pixels)
    imports = onnx.load(str(path), load_external_data=False).opset_import
    return next(each.version for each in imports if each.domain in ("", "ai.onnx"))


def rewritten(path, form, pixels):
    """Makes another form of the file."""
    if form in ("qdq", "dynamic"):
        from onnxruntime import quantization

        whole = path.with_name("whole.onnx")
        path.rename(whole)
        if form == "dynamic":
            quantization.quantize_dynamic(whole, path)
        else:

            class Reader(quantization.CalibrationDataReader):
                left = iter([{"x": units(pixels)}])

                def get_next(self):
                    return next(self.left, None)

            quantization.quantize_static(whole, path, Reader(), quant_format=quantization.QuantFormat.QDQ)
        whole.unlink()
