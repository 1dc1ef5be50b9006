#!/usr/bin/env python3
"""Makes the small models of images of Tests/Fixtures/vision: random weights, and what transformers, timm and torchvision (or
PyTorch's own layers) answer in float64. Weights are stored in FP16 so that each folder stays under 30 KB
(the hundreds of tensors of MobileNet or Inception alone have a header of more than that).

    make_vision_reference.py OUT [NAME ...]       needs torch, transformers, timm and torchvision; NAME: only these
"""
import functools
import json
import sys
import warnings
from pathlib import Path

import torch
import transformers as tf
from safetensors.torch import save_file
from torch import nn

warnings.filterwarnings("ignore")
OUT, ONLY = Path(sys.argv[1]), set(sys.argv[2:])


def randomise(model):
    """Weights that keep every layer's output of about the same size, norms that do something, all exact in FP16."""
    for name, tensor in model.state_dict().items():
        if not tensor.dtype.is_floating_point:
            continue
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif tensor.dim() < 2:
            tensor.normal_(0, 0.2)
            if name.endswith("weight") or "layer_scale" in name:
                tensor.add_(1)
        else:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5)
        tensor.copy_(tensor.half())


def write(name, model, config, inputs, outputs, limit=30_000):
    if ONLY and name not in ONLY:
        return
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    randomise(model)
    model.eval()
    # Counts of batches are of no use, and their entries in the header would take more room than some weights.
    state = {k: v.half().clone() for k, v in model.state_dict().items() if v.dtype.is_floating_point}
    (key, x), = inputs.items()
    with torch.no_grad():
        answer = model.double()(x.double())
    expected = {key: x}
    for output in outputs:
        value = answer if isinstance(answer, torch.Tensor) else answer[output]
        expected[output] = value.float().contiguous()
    if isinstance(model, tf.PreTrainedModel):
        # Its names in files are others than those of its modules.
        model.save_pretrained(folder, state_dict=state)
    else:
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file(expected, folder / "expected.safetensors")
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: {size} bytes", {k: tuple(v.shape) for k, v in expected.items()})
    assert size <= (110_000 if "mobilenet" in name or "efficientnet" in name else limit), name


def library(name, cls, config, size, outputs=("logits",), images=1, channels=3):
    model = cls(config)
    values = json.loads(model.config.to_json_string(use_diff=True))
    values["architectures"] = [cls.__name__]
    write(name, model, values, {"pixel_values": torch.randn(images, channels, *size)}, outputs)


def pixels(*shape):
    return {"pixel_values": torch.randn(*shape)}


with torch.no_grad():
    torch.manual_seed(16)
    small = dict(num_labels=3)
    library("resnet-basic", tf.ResNetForImageClassification,
            tf.ResNetConfig(embedding_size=6, hidden_sizes=[6, 8], depths=[2, 1], layer_type="basic",
                            downsample_in_first_stage=True, **small), (26, 21), images=2)
    library("resnet-v1", tf.ResNetForImageClassification,
            tf.ResNetConfig(embedding_size=5, hidden_sizes=[12, 20], depths=[1, 2], downsample_in_bottleneck=True,
                            **small), (19, 24), images=2)
    library("resnet-features", tf.ResNetModel,
            tf.ResNetConfig(embedding_size=4, hidden_sizes=[8, 12], depths=[1, 1]), (17, 33),
            outputs=("last_hidden_state", "pooler_output"))
    vit = dict(hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20, image_size=16,
               patch_size=4)
    library("vit", tf.ViTForImageClassification, tf.ViTConfig(**vit, **small), (16, 16), images=2)
    library("vit-features", tf.ViTModel, tf.ViTConfig(**vit, hidden_act="gelu_new", qkv_bias=False), (16, 16),
            outputs=("last_hidden_state", "pooler_output"))
    library("deit", tf.DeiTForImageClassification, tf.DeiTConfig(**vit, **small), (16, 16))
    library("deit-teacher", tf.DeiTForImageClassificationWithTeacher, tf.DeiTConfig(**vit, **small), (16, 16),
            images=2)
    library("convnext", tf.ConvNextForImageClassification,
            tf.ConvNextConfig(hidden_sizes=[6, 8], depths=[1, 2], num_stages=2, layer_scale_init_value=1e-6, **small),
            (25, 30), images=2)
    mobile = dict(depth_multiplier=0.02, depth_divisible_by=4, min_depth=4, finegrained_output=False, expand_ratio=3)
    library("mobilenet-v2", tf.MobileNetV2ForImageClassification, tf.MobileNetV2Config(**mobile, **small), (37, 32))
    library("mobilenet-v2-dilated", tf.MobileNetV2ForImageClassification,
            tf.MobileNetV2Config(**mobile, output_stride=8, tf_padding=False, first_layer_is_expansion=False, **small),
            (33, 40))

    def seeded(name, *arguments, **more):
        """With a seed of its own, so that one more changes none of the others."""
        state = torch.get_rng_state()
        torch.manual_seed(sum(name.encode()))
        library(name, *arguments, **more)
        torch.set_rng_state(state)

    seeded("convnextv2", tf.ConvNextV2ForImageClassification,
           tf.ConvNextV2Config(hidden_sizes=[6, 8], depths=[1, 2], num_stages=2, **small), (25, 30), images=2)
    seeded("convnextv2-features", tf.ConvNextV2Model,
           tf.ConvNextV2Config(hidden_sizes=[5, 7], depths=[1, 1], num_stages=2), (33, 24),
           outputs=("last_hidden_state", "pooler_output"))
    dino = dict(hidden_size=12, num_hidden_layers=2, num_attention_heads=3, mlp_ratio=2, image_size=20, patch_size=4)
    seeded("dinov2", tf.Dinov2ForImageClassification, tf.Dinov2Config(**dino, **small), (20, 20), images=2)
    # Positions of 5 x 5 patches for 7 x 3, with some pixels left over.
    seeded("dinov2-other-size", tf.Dinov2Model, tf.Dinov2Config(**dino, use_swiglu_ffn=True), (30, 13), images=2,
           outputs=("last_hidden_state", "pooler_output"))
    seeded("dinov2-registers", tf.Dinov2WithRegistersForImageClassification,
           tf.Dinov2WithRegistersConfig(**dino, num_register_tokens=2, **small), (14, 31), images=2)
    seeded("resnet-gelu", tf.ResNetForImageClassification,
           tf.ResNetConfig(embedding_size=5, hidden_sizes=[6, 9], depths=[1, 2], layer_type="basic",
                           hidden_act="gelu", num_channels=1, **small), (35, 21), channels=1, images=2)
    siglip = dict(hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20, image_size=16,
                  patch_size=5)
    seeded("siglip-features", tf.SiglipVisionModel, tf.SiglipVisionConfig(**siglip), (16, 16), images=3,
           outputs=("last_hidden_state", "pooler_output"))
    seeded("siglip-classifier", tf.SiglipForImageClassification, tf.SiglipConfig(vision_config=siglip, **small),
           (16, 16), images=2)
    efficient = dict(width_coefficient=0.1, depth_coefficient=1.2, depth_divisor=4, hidden_dim=128,
                     num_block_repeats=[1, 1, 2], kernel_sizes=[3, 5, 3], in_channels=[32, 16, 40],
                     out_channels=[16, 40, 80], strides=[1, 2, 2], expand_ratios=[1, 3, 2], depthwise_padding=[2])
    seeded("efficientnet", tf.EfficientNetForImageClassification, tf.EfficientNetConfig(**efficient, **small),
           (33, 38), images=2)
    seeded("efficientnet-features", tf.EfficientNetModel, tf.EfficientNetConfig(**efficient, pooling_type="max"),
           (30, 21), outputs=("last_hidden_state", "pooler_output"))

    lenet = nn.Sequential()
    for name, layer in [
        ("conv1", nn.Conv2d(3, 4, 5)), ("a1", nn.ReLU()), ("p1", nn.MaxPool2d(2)), ("conv2", nn.Conv2d(4, 5, 5)),
        ("a2", nn.ReLU()), ("p2", nn.MaxPool2d(2)), ("flatten", nn.Flatten()), ("fc1", nn.Linear(125, 12)),
        ("a3", nn.ReLU()), ("fc2", nn.Linear(12, 9)), ("a4", nn.ReLU()), ("fc3", nn.Linear(9, 4))]:
        lenet.add_module(name, layer)
    write("lenet", lenet,
          dict(model_type="lenet", num_channels=3, image_size=32, num_labels=4, hidden_act="relu", pooling="max"),
          pixels(1, 3, 32, 32), ("logits",))

    class Sequence(nn.Module):
        """As PyTorch's DCGAN example names its layers."""

        def __init__(self, widths, latents, colours):
            super().__init__()
            layers = [nn.ConvTranspose2d(latents, widths[0], 4, 1, 0, bias=False)]
            for before, after in zip(widths, widths[1:] + [colours]):
                layers += [nn.BatchNorm2d(before), nn.ReLU(), nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
            self.main = nn.Sequential(*layers, nn.Tanh())

        def forward(self, x):
            return self.main(x)

    write("dcgan", Sequence([10, 6], 7, 1),
          dict(model_type="dcgan", architectures=["DCGANGenerator"], latent_dim=7, num_channels=1, image_size=16,
               channels=[10, 6]), {"latents": torch.randn(3, 7, 1, 1)}, ("images",))

    import timm
    import torchvision.models as tv
    from torchvision.models import mobilenetv3 as mobile3
    from torchvision.ops.misc import Conv2dNormActivation
    from timm.layers import BatchNormAct2d
    from timm.models import convnext, efficientnet, mobilenetv3

    def narrowed(model, size, share):
        """The same layers with a share of the channels each; what comes in is found by running it."""

        def visit(module):
            for key, child in module.named_children():
                if isinstance(child, nn.Conv2d):
                    wide = 512 if child.out_channels == 4096 else share
                    made = nn.LazyConv2d(max(child.out_channels // wide, 2), child.kernel_size, child.stride,
                                         child.padding, bias=child.bias is not None)
                elif isinstance(child, nn.BatchNorm2d):
                    made = nn.LazyBatchNorm2d(eps=child.eps)
                elif isinstance(child, nn.Linear):
                    made = nn.LazyLinear(3 if child.out_features == 1000 else child.out_features // 512)
                else:
                    visit(child)
                    continue
                setattr(module, key, made)

        visit(model)
        model.eval()(torch.zeros(2, 3, *size))
        return model

    def architecture(name, model, called, size, images=1, limit=45_000, output="logits", **more):
        torch.manual_seed(len(name) * 1000 + size[0])
        write(name, model, {"architecture": called, "num_classes": 3, **more},
              {"pixel_values": torch.randn(images, 3, *size).half()}, (output,), limit)

    def torchvision_model(name, called, size, share, limit=45_000, **options):
        architecture(name, narrowed(getattr(tv, called)(**options), size, share), called, size, limit=limit)

    torchvision_model("tv-alexnet", "alexnet", (70, 67), 32)
    torchvision_model("tv-vgg11", "vgg11", (40, 33), 64)
    torchvision_model("tv-vgg11-bn", "vgg11_bn", (33, 48), 64)
    torchvision_model("tv-resnet18", "resnet18", (35, 40), 32)
    torchvision_model("tv-resnet50", "resnet50", (33, 33), 64, limit=65_000)
    torchvision_model("tv-inception-v3", "inception_v3", (76, 75), 48, limit=110_000, init_weights=False,
                      aux_logits=False)
    def torchvision_mobile_v2():
        model = tv.MobileNetV2(num_classes=3, width_mult=0.1, round_nearest=4, inverted_residual_setting=[
            [1, 16, 1, 1], [2, 24, 2, 2], [2, 32, 3, 2], [2, 64, 4, 2], [2, 96, 3, 1], [2, 160, 3, 2], [2, 320, 1, 1]])
        # The last layers have 1280 channels however narrow the others are.
        model.features[18] = Conv2dNormActivation(32, 14, 1, activation_layer=nn.ReLU6)
        model.classifier[1] = nn.Linear(14, 3)
        return model

    def torchvision_mobile_v3(size):
        blocks, _ = mobile3._mobilenet_v3_conf(size, width_mult=0.05)
        return tv.MobileNetV3(blocks, last_channel=12, num_classes=3)

    architecture("tv-mobilenet-v2", torchvision_mobile_v2(), "mobilenet_v2", (45, 50), limit=110_000)
    architecture("tv-mobilenet-v3-small", torchvision_mobile_v3("mobilenet_v3_small"), "mobilenet_v3_small", (50, 61),
                 limit=110_000)
    architecture("tv-mobilenet-v3-large", torchvision_mobile_v3("mobilenet_v3_large"), "mobilenet_v3_large", (66, 47),
                 limit=110_000)
    block = tv.convnext.CNBlockConfig
    architecture("tv-convnext", tv.ConvNeXt([block(4, 6, 1), block(6, 8, 1), block(8, 10, 2), block(10, None, 1)],
                                            layer_scale=0.5, num_classes=3), "convnext_small", (65, 40))
    architecture("tv-vit", tv.VisionTransformer(image_size=24, patch_size=8, num_layers=2, num_heads=3, hidden_dim=12,
                                                mlp_dim=20, num_classes=3), "vit_b_16", (24, 24), images=2,
                 model_args=dict(image_size=24, patch_size=8, num_layers=2, num_heads=3))

    def torchvision_efficient(called):
        """The layers of that name, narrowed; its last one has 1280 channels however narrow the others are."""
        settings, _ = tv.efficientnet._efficientnet_conf(called, width_mult=0.05, depth_mult=0.1)
        for one in settings if called == "efficientnet_v2_s" else []:
            one.input_channels, one.out_channels = one.input_channels // 8, one.out_channels // 8
        for index, one in enumerate(settings):
            one.num_layers = 1 + (index == 2)
        norm = functools.partial(nn.BatchNorm2d, eps=1e-5 if called == "efficientnet_b0" else 1e-3)
        return tv.EfficientNet(settings, 0.0, num_classes=3, last_channel=16, norm_layer=norm)

    for called, size in [("efficientnet_b0", (50, 39)), ("efficientnet_b5", (33, 40)), ("efficientnet_v2_s", (40, 37))]:
        architecture("tv-" + called.replace("_", "-"), torchvision_efficient(called), called, size, limit=110_000)
    architecture("timm-vgg11", narrowed(timm.create_model("vgg11"), (40, 64), 64), "vgg11", (40, 64))
    architecture("timm-convnext", convnext.ConvNeXt(depths=(1, 1, 2, 1), dims=(4, 6, 8, 10), num_classes=3),
                 "convnext_tiny", (37, 64))
    architecture("timm-convnext-atto", convnext.ConvNeXt(depths=(1, 2, 1, 1), dims=(4, 6, 8, 10), num_classes=3,
                                                         conv_mlp=True), "convnext_atto", (64, 35))
    architecture("timm-convnextv2", convnext.ConvNeXt(depths=(1, 1, 2, 1), dims=(4, 6, 8, 10), num_classes=3,
                                                      use_grn=True, ls_init_value=None), "convnextv2_nano", (64, 33))
    vit_args = dict(img_size=32, patch_size=8, embed_dim=12, depth=2, num_heads=3)
    architecture("timm-vit", timm.create_model("vit_tiny_patch16_224", num_classes=3, **vit_args),
                 "vit_tiny_patch16_224", (32, 32), images=2, model_args=vit_args)
    for name, own in [("registers", dict(reg_tokens=2, no_embed_class=True, global_pool="avg")),
                      ("patches", dict(class_token=False, global_pool="avg", fc_norm=False, img_size=(32, 24))),
                      ("prenorm", dict(pre_norm=True, reg_tokens=1))]:
        args = {**vit_args, **own}
        architecture("timm-vit-" + name, timm.create_model("vit_tiny_patch16_224", num_classes=3, **args),
                     "vit_tiny_patch16_224", args["img_size"] if name == "patches" else (32, 32), images=2,
                     model_args=args)
    for name, called, own in [("dinov2", "vit_small_patch14_dinov2", {}),
                              ("dinov2-registers", "vit_giant_patch14_reg4_dinov2", dict(mlp_ratio=4))]:
        args = dict(img_size=28, embed_dim=12, depth=2, num_heads=3, **own)
        architecture("timm-" + name, timm.create_model(called, num_classes=0, **args), called, (28, 28), images=2,
                     output="pooler_output", num_classes=0, model_args=args)
    deit_args = dict(vit_args, depth=1)
    architecture("timm-deit-distilled",
                 timm.create_model("deit_tiny_distilled_patch16_224", num_classes=3, **deit_args),
                 "deit_tiny_distilled_patch16_224", (32, 32), model_args=deit_args)
    for called, size in [("resnet26d", (35, 40)), ("seresnet18", (33, 35)), ("seresnext26t_32x4d", (40, 33))]:
        architecture("timm-" + called, narrowed(timm.create_model(called), size, 32), called, size, limit=110_000)

    features = narrowed(timm.create_model("resnet18"), (35, 33), 32)
    features.fc = nn.Identity()
    architecture("timm-resnet18-features", features, "resnet18", (35, 33), output="pooler_output", num_classes=0)

    def headed(model, activation=None):
        """With a last convolution of eight channels, which is the largest part of these models."""
        before = model.conv_head.in_channels
        model.conv_head = nn.Conv2d(before, 8, 1, bias=model.conv_head.bias is not None)
        if activation:
            model.bn2 = BatchNormAct2d(8, act_layer=activation)
        model.classifier = nn.Linear(8, 3)
        return model

    mobile_v3 = mobilenetv3._gen_mobilenet_v3
    architecture("timm-mobilenetv3-small", headed(mobile_v3("mobilenetv3_small_050", 0.02)),
                 "mobilenetv3_small_050", (40, 37))
    architecture("timm-mobilenetv3-large", headed(mobile_v3("mobilenetv3_large_050", 0.02)),
                 "mobilenetv3_large_050", (33, 40))
    architecture("timm-mobilenetv2", headed(efficientnet._gen_mobilenet_v2("mobilenetv2_050", 0.02), nn.ReLU6),
                 "mobilenetv2_050", (40, 32))
    # Channels of the last convolution follow the others in EfficientNet, so that it needs no change.
    architecture("timm-tf-efficientnet", efficientnet._gen_efficientnet(
        "tf_efficientnet_b1", 0.02, 0.1, num_classes=3, pad_type="same", bn_eps=1e-3), "tf_efficientnet_b1", (41, 38))
    architecture("timm-tf-efficientnetv2", efficientnet._gen_efficientnetv2_base(
        "tf_efficientnetv2_b0", 0.1, 0.2, num_classes=3, pad_type="same", bn_eps=1e-3), "tf_efficientnetv2_b0",
        (38, 45), images=2)
    architecture("timm-efficientnet", headed(efficientnet._gen_efficientnet("efficientnet_b0", 0.02, 0.1), nn.SiLU),
                 "efficientnet_b0", (40, 37), limit=90_000)

    class Discriminator(nn.Module):
        """As PyTorch's DCGAN example names its layers; without the sigmoid at the end."""

        def __init__(self, widths, colours):
            super().__init__()
            layers, before = [], colours
            for index, width in enumerate(widths):
                layers += [nn.Conv2d(before, width, 4, 2, 1, bias=False)]
                layers += [nn.BatchNorm2d(width)] if index else []
                layers += [nn.LeakyReLU(0.2)]
                before = width
            self.main = nn.Sequential(*layers, nn.Conv2d(before, 1, 4, 1, 0, bias=False))

        def forward(self, x):
            return self.main(x).flatten(1)

    torch.manual_seed(3)
    write("dcgan-discriminator", Discriminator([5, 7, 9], 3),
          dict(model_type="dcgan", architectures=["DCGANDiscriminator"], num_channels=3, image_size=32),
          pixels(2, 3, 32, 32), ("logits",))
    write("dcgan-conditional", Sequence([10, 6], 11, 3),
          dict(model_type="dcgan", architectures=["DCGANGenerator"], latent_dim=7, num_channels=3, image_size=16,
               channels=[10, 6], id2label={"0": "a", "1": "b", "2": "c", "3": "d"}),
          {"latents": torch.randn(3, 11, 1, 1)}, ("images",))


# ---- CLIP and SigLIP, with a tokenizer and what they say of an image


def towers(name):
    from PIL import Image
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    if ONLY and name not in ONLY:
        return
    torch.manual_seed(5)
    is_clip = name == "clip"
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    words = "this is a photo of cat dog red blue house . <|startoftext|> <|endoftext|>".split()
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<|endoftext|>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    start, end = len(words) - 2, len(words) - 1
    tokenizer.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>" if is_clip else "$A <|endoftext|>",
        special_tokens=[("<|startoftext|>", start), ("<|endoftext|>", end)])
    tokenizer.save(str(folder / "tokenizer.json"))
    tower = dict(hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20)
    text = dict(tower, vocab_size=len(words), max_position_embeddings=16, bos_token_id=start, eos_token_id=end)
    image = dict(tower, image_size=16, patch_size=4)
    if is_clip:
        model = tf.CLIPModel(tf.CLIPConfig(text_config=text, vision_config=image, projection_dim=8))
        processor = CLIPImageProcessorPil(size={"shortest_edge": 18}, crop_size={"height": 16, "width": 16})
    else:
        model = tf.SiglipModel(tf.SiglipConfig(text_config=dict(text, pad_token_id=3), vision_config=image))
        processor = SiglipImageProcessorPil(size={"height": 16, "width": 16})
        # Padding as the tokenizer says it, which is what counts.
        (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": "<|startoftext|>"}) + "\n")
    with torch.no_grad():
        randomise(model)
        model.logit_scale.fill_(2.5)
        if not is_clip:
            model.logit_bias.fill_(-1.25)
    state = {k: v.half() for k, v in model.state_dict().items() if v.dtype.is_floating_point}
    model.save_pretrained(folder, state_dict=state)
    processor.save_pretrained(folder)
    model = model.double().eval()
    file = "0-rgb.png"
    image = Image.open(Path(__file__).parent.parent / "Tests/Fixtures/images" / file).convert("RGB")
    pixel_values = torch.tensor(processor(image, return_tensors="np")["pixel_values"])
    labels = ["cat", "red dog", "blue house"]
    texts = [f"This is a photo of {label}." for label in labels]
    scores, text_embeds = [], []
    with torch.no_grad():
        vision = model.vision_model(pixel_values=pixel_values.double())
        image_embeds = model.visual_projection(vision.pooler_output) if is_clip else vision.pooler_output
        for text in texts:
            # CLIP needs no padding for one text at a time; SigLIP pads all to the longest.
            ids = tokenizer.encode(text).ids
            ids = torch.tensor([ids if is_clip else ids + [start] * (16 - len(ids))])
            answer = model(input_ids=ids, pixel_values=pixel_values.double())
            scores.append(answer.logits_per_image.item())
            text_embeds.append(answer.text_embeds[0].tolist())
        unit = answer.image_embeds[0].tolist()
    expected = dict(pixel_values=pixel_values, last_hidden_state=vision.last_hidden_state.float(),
                    pooler_output=vision.pooler_output.float(), image_embeds=image_embeds.float())
    save_file({k: v.contiguous().clone() for k, v in expected.items()}, folder / "expected.safetensors")
    scores = torch.tensor(scores)
    cases = dict(file=file, labels=labels, texts=texts, scores=(scores.softmax(0) if is_clip else scores.sigmoid()).tolist(),
                 text_embeds=text_embeds, image_embeds=unit)
    (folder / "cases.json").write_text(json.dumps(cases) + "\n")
    print(name, sum(f.stat().st_size for f in folder.iterdir()), "bytes", cases["scores"])


towers("clip")
towers("siglip")
