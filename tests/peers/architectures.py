"""The image classifiers that networks.py holds Ziggurat's gradients against PyTorch's for: their names, and how one is built.

Weights are random, from a fixed seed: a gradient is right or wrong whatever the weights, and nothing need be downloaded. What training would
have done and a fresh network lacks is imitated, because without it most of a network has no influence on its outcome: batch normalisation
gets the statistics of random pictures, and what starts at zero (heads, layer scales, relative position biases) gets values.
"""
import torch

LARGEST = 100_000_000  # parameters (400 MB) of a network that is tried with every exporter and opset

# Members of the families of timm, small ones: one or more of nearly every module of timm.models.
# Those torchvision has too are left out.
TIMM = """
    beit_base_patch16_224 botnet26t_256 halonet26t lambda_resnet26t repvgg_a0 mobileone_s0 gernet_s regnetz_b16 cait_xxs24_224 coat_tiny convit_tiny
    convmixer_768_32 convnext_atto convnextv2_atto cpubone_nano crossvit_tiny_240 csatv2 cs3darknet_s cspresnet50 cspnext_tiny davit_tiny
    deit_tiny_patch16_224 deit_tiny_distilled_patch16_224 densenetblur121d dla46_c dpn48b edgenext_xx_small efficientformer_l1 efficientformerv2_s0
    mixnet_s tinynet_e mobilenetv1_100 fbnetc_100 efficientvim_m1 efficientvit_b0 efficientvit_m0 eva02_tiny_patch14_224 fasternet_t0 fastvit_t8
    focalnet_tiny_srf gcvit_xxtiny ghostnet_050 ghostnetv2_100 hardcorenas_a hgnetv2_b0 hiera_tiny_224 hieradet_small hrnet_w18_small iformer_t
    inception_next_atto inception_resnet_v2 inception_v4 lcnetv2_small levit_128s levit_128 lowformer_b0 mambaout_femto coatnet_pico_rw_224
    maxvit_pico_rw_256 caformer_s18 poolformer_s12 mixer_s32_224 resmlp_12_224 gmlp_ti16_224 lcnet_035 fbnetv3_b mobilenetv4_conv_small_035
    mobilevit_xxs mobilevitv2_050 mvitv2_tiny naflexvit_base_patch16_gap nasnetalarge nest_tiny nextvit_small nfnet_l0 nf_resnet26 pit_ti_224
    pnasnet5large pvt_v2_b0 qwen3_vit_88m rdnet_tiny repghostnet_050 repvit_m0_9 res2net50_14w_8s resnest14d seresnet18 ecaresnet26t resnetv2_18
    resnetv2_50x1_bit rexnet_100 selecsls42 legacy_seresnet18 sequencer2d_s shvit_s1 skresnet18 starnet_s050 swiftformer_xs
    swinv2_cr_tiny_ns_224 tiny_vit_5m_224 tnt_s_legacy_patch16_224 tresnet_m twins_svt_small twins_pcpvt_small visformer_tiny vit_tiny_patch16_224
    flexivit_small vit_tiny_r_s16_p8_224 vit_relpos_small_patch16_224 samvit_base_patch16_224 vitamin_small_224 volo_d1_224 ese_vovnet19b_slim
    legacy_xception xception41 xcit_nano_12_p16_224
""".split()


def names():
    """(those that are tried in every way, the large ones): torchvision's by their number of parameters, then timm's."""
    import torchvision

    sizes = {
        name: torchvision.models.get_model_weights(name).DEFAULT.meta["num_params"]
        for name in torchvision.models.list_models(module=torchvision.models)
    }
    ordered = sorted(sizes, key=sizes.get)
    small = [name for name in ordered if sizes[name] <= LARGEST]
    return small + ["timm:" + name for name in TIMM], ordered[len(small) :]


def build(name):
    """The network `name` (of torchvision, or `timm:NAME`), float32, evaluating, and the (height, width) of its pictures."""
    torch.manual_seed(0)
    if name.startswith("timm:"):
        import timm

        model = timm.create_model(name[5:], pretrained=False)
        size = tuple(model.default_cfg.get("input_size", (3, 224, 224))[1:])
    else:
        import torchvision

        auxiliary = {"init_weights": True, "aux_logits": False} if name in ("googlenet", "inception_v3") else {}
        model = torchvision.models.get_model(name, weights=None, **auxiliary)
        size = (299, 299) if name == "inception_v3" else (224, 224)
    prepare(model, size)
    return model, size


def prepare(model, size):
    """Gives a fresh network what training would have, and sets it to evaluate."""
    model.eval()
    _measure_statistics(model, size)
    for _, value in model.named_parameters():
        if value.abs().max() < 1e-4:
            torch.nn.init.normal_(value.data, 0.0, 0.3)
    forget(model)


def forget(model):
    """Drops what a network has kept of an earlier evaluation (LeViT and its kin keep their position biases, in the type and with the values of
    then). They do so as they are set to train."""
    model.train()
    model.eval()


def _measure_statistics(model, size):
    norms = [module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    for module in norms:
        torch.nn.init.uniform_(module.weight, 0.6, 1.4)
        torch.nn.init.normal_(module.bias, 0.0, 0.2)
        module.momentum = None
        module.reset_running_stats()
        module.train()
    if norms:
        with torch.no_grad():
            model(torch.randn(4, 3, *size))
        model.eval()
