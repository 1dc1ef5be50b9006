#!/usr/bin/env python3
"""Makes the small models of images of Tests/Fixtures/vision: random weights, and what transformers (or PyTorch's own
layers) answer in float64. Weights are stored in FP16 so that each folder stays under 30 KB
(MobileNetV2's 260 tensors alone have a header of that size).

    make_vision_reference.py OUT       needs torch and transformers
"""
import json
import sys
import warnings
from pathlib import Path

import torch
import transformers as tf
from safetensors.torch import save_file
from torch import nn

warnings.filterwarnings("ignore")
OUT = Path(sys.argv[1])


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


def write(name, model, config, inputs, outputs, weights=None):
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
    assert size <= (65_000 if "mobilenet" in name else 30_000), name


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
