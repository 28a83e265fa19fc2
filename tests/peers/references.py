"""PyTorch's gradients of a network: the exact one, in float64, and how far float32 leads PyTorch itself from it."""
import copy

import numpy as np
import torch
from architectures import forget
from figures import distance


def reference(name, model, size, cache, seed=1):
    """What is known of a network, kept in the folder `cache`: `picture` (1, 3, H, W) float32, random from `seed`; `index`, the class with the largest logit; `exact`,
    the gradient of that logit in float64; `logits` in float64; `float32`, the relative error of PyTorch's own float32 gradient."""
    kept = cache / (name.replace(":", "_") + (f"-{seed}" if seed != 1 else "") + ".npz")
    if not kept.exists():
        picture = np.random.default_rng(seed).normal(0, 0.7, (1, 3, *size)).astype("float32")
        model = _guarded(model)
        exact, logits = _gradient(model.double(), torch.from_numpy(picture).double())
        index = int(logits.argmax())
        own, _ = _gradient(model.float(), torch.from_numpy(picture), index)
        np.savez(kept, picture=picture, index=index, exact=exact, logits=logits, float32=distance(own, exact))
    return dict(np.load(kept))


def doubts(model, known):
    """For a gradient that is further away than it should be: (`slope`, of the float64 network along the exact gradient, by central differences,
    divided by what the exact gradient promises: 1 if that is right; `others`, the relative errors of PyTorch's float32 gradient when it is
    computed in other, equally good ways)."""
    exact, index, picture = known["exact"], int(known["index"]), torch.from_numpy(known["picture"])
    model = _guarded(model).double()
    norm = np.linalg.norm(exact)
    with torch.no_grad():
        ahead, behind = (model(torch.from_numpy(known["picture"] + side * 1e-5 * exact / norm))[0, index] for side in (1, -1))
    slope = float((ahead - behind) / 2e-5 / norm)

    model.float()
    others = {"channels last": _gradient(model, picture.contiguous(memory_format=torch.channels_last), index)[0]}
    with torch.backends.mkldnn.flags(enabled=False):
        others["without oneDNN"], _ = _gradient(model, picture, index)
    for seed in range(3):
        others[f"last bits changed, {seed}"], _ = _gradient(model, last_bits(picture, seed), index)
    _fold(model, picture)
    others["batch normalisation folded"], _ = _gradient(model, picture, index)
    return slope, {way: distance(gradient, exact) for way, gradient in others.items()}


def last_bits(picture, seed):
    """Every number of the picture moved to a neighbouring float32, or left."""
    moves = torch.randint(-1, 2, picture.shape, generator=torch.Generator().manual_seed(seed))
    return torch.nextafter(picture, picture + moves)


def _fold(model, picture):
    """Multiplies batch normalisation into the convolution before it, as exporters and runtimes do: equal in exact arithmetic."""
    made, pairs = {}, []

    def note(module, given, out):
        if isinstance(module, torch.nn.Conv2d):
            made[id(out)] = module, out  # kept, so that no other value gets its id
        elif id(given[0]) in made:
            pairs.append((made[id(given[0])][0], module))

    kinds = torch.nn.Conv2d, torch.nn.modules.batchnorm._BatchNorm
    hooks = [module.register_forward_hook(note) for module in model.modules() if isinstance(module, kinds)]
    with torch.no_grad():
        model(picture)
    for hook in hooks:
        hook.remove()
    with torch.no_grad():
        for convolution, norm in dict(pairs).items():
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            bias = -norm.running_mean if convolution.bias is None else convolution.bias - norm.running_mean
            convolution.weight *= scale.view(-1, 1, 1, 1)
            convolution.bias = torch.nn.Parameter(norm.bias + bias * scale)
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
            norm.weight.fill_(1)
            norm.bias.zero_()


def _guarded(model):
    """The same network, differentiated rightly. PyTorch 2.15's gradient of batch normalisation of one picture is wrong on the CPU (its own central
    differences say so) if what comes back to it is transposed in memory: in LeViT, EfficientFormer, EfficientViT and others that make tokens of
    feature maps."""
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.register_forward_hook(_row_by_row)
    return model


def _row_by_row(_module, _given, made):
    if made.requires_grad:
        made.register_hook(torch.Tensor.contiguous)


class Differentiated:
    """What exporters.py asks of a network of PyTorch's that has `network`, a module that makes logits of pictures, and `picture`."""

    def gradient(self, elem, index=None):
        model, point = self._in(elem, self.picture)
        return _gradient(model, point, index)

    def scores(self, picture):
        model, point = self._in("float64", picture)
        with torch.no_grad():
            return model(point).numpy()

    def _in(self, elem, picture):
        model = copy.deepcopy(self.network).to(getattr(torch, elem))
        forget(model)
        return model, torch.from_numpy(picture).to(getattr(torch, elem))


def _gradient(model, picture, index=None):
    """(d logit[index] / d picture, the logits), in the model's precision; `index`: without it, of the first picture's largest logit."""
    forget(model)
    point = picture.clone().requires_grad_(True)
    logits = model(point)
    index = int(logits[0].argmax()) if index is None else index
    (gradient,) = torch.autograd.grad(logits[0, index], point)
    return gradient.double().numpy(), logits.detach().double().numpy()
