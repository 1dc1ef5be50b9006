#!/usr/bin/env python3
"""Trains the pair of image models that ship inside infer, on the 1,797 handwritten digits that scikit-learn carries: LeNet-5,
which reads digits, and a conditional DCGAN, whose generator draws them (docs/bundled-model.md).

    train_digit_models.py OUT [classifier | generator]      needs torch, scikit-learn, Pillow and safetensors

Writes OUT/digit-reader and OUT/digit-writer: config.json and model.safetensors in FP16. OUT/held-out gets the images that the
classifier never saw, a folder a label, for `infer evaluate classify`. Seeded; the numbers of steps end it, so two runs on
one machine give the same weights. About ten minutes on one CPU core.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import nn

# One thread: the models are small, and sums then have one order.
torch.set_num_threads(1)
OUT = Path(sys.argv[1])
PART = sys.argv[2] if len(sys.argv) > 2 else "both"
# The last images come from other writers than most of the first ones.
HELD_OUT = 360
READER_SIZE, WRITER_SIZE = 28, 32
READER_STEPS, WRITER_STEPS = 3500, 5000
LATENTS, WIDTHS = 24, [64, 32, 16]


def digits(size, filter):
    """All images, enlarged as Pillow does it, with values from 0 to 1."""
    data = load_digits()
    images = [Image.fromarray(np.uint8(np.round(image * 255 / 16))).resize((size, size), filter)
              for image in data.images]
    return torch.tensor(np.stack(images)).float().unsqueeze(1) / 255, torch.tensor(data.target)


def write(name, model, config):
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.half().contiguous() for k, v in model.state_dict().items() if v.dtype.is_floating_point}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    print(name, sum(v.numel() for v in state.values()), "numbers", flush=True)


# ---- The reader


def lenet():
    return nn.Sequential(dict_of([
        ("conv1", nn.Conv2d(1, 6, 5, padding=2)), ("a1", nn.ReLU()), ("p1", nn.MaxPool2d(2)),
        ("conv2", nn.Conv2d(6, 16, 5)), ("a2", nn.ReLU()), ("p2", nn.MaxPool2d(2)), ("flatten", nn.Flatten()),
        ("fc1", nn.Linear(400, 120)), ("a3", nn.ReLU()), ("fc2", nn.Linear(120, 84)), ("a4", nn.ReLU()),
        ("fc3", nn.Linear(84, 10))]))


def dict_of(layers):
    from collections import OrderedDict
    return OrderedDict(layers)


def distorted(images):
    """Digits turned, sheared, smaller, elsewhere, bolder or thinner, on dark and on light paper."""
    count = len(images)

    def uniform(low, high):
        return torch.empty(count).uniform_(low, high)

    angle, scale = uniform(-0.22, 0.22), uniform(0.9, 1.75)
    aspect, shear = uniform(0.85, 1.15), uniform(-0.2, 0.2)
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0] = scale * aspect * torch.cos(angle)
    matrix[:, 0, 1] = scale * (shear - torch.sin(angle))
    matrix[:, 1, 0] = scale * torch.sin(angle)
    matrix[:, 1, 1] = scale * torch.cos(angle)
    room = (scale - 0.9).clamp(min=0.1) * 0.6
    matrix[:, :, 2] = torch.empty(count, 2).uniform_(-1, 1) * room.unsqueeze(1)
    x = F.grid_sample(images, F.affine_grid(matrix, images.shape, align_corners=False), align_corners=False)
    x = x.clamp(0, 1) ** torch.exp(uniform(-1.1, 0.9)).view(-1, 1, 1, 1)
    # Edges sharper than those of enlarged images.
    sharp = torch.sigmoid((x - 0.5) * 14)
    x = torch.where((uniform(0, 1) < 0.4).view(-1, 1, 1, 1), sharp, x)
    x = x * uniform(0.6, 1).view(-1, 1, 1, 1) + uniform(0, 0.15).view(-1, 1, 1, 1)
    x = x + torch.randn_like(x) * uniform(0, 0.06).view(-1, 1, 1, 1)
    x = torch.where((uniform(0, 1) < 0.5).view(-1, 1, 1, 1), 1 - x, x)
    return x.clamp(0, 1)


def normalised(x):
    return (x - 0.5) / 0.5


def accuracy(model, images, labels):
    model.eval()
    with torch.no_grad():
        right = (model(normalised(images)).argmax(1) == labels).float().mean().item()
    model.train()
    return right


def train_reader():
    torch.manual_seed(7)
    enlarged = [digits(READER_SIZE, f) for f in (Image.BILINEAR, Image.BICUBIC, Image.NEAREST)]
    labels = enlarged[0][1]
    count = len(labels) - HELD_OUT
    model = lenet()
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, READER_STEPS)
    for step in range(READER_STEPS):
        places = torch.randint(0, count, (128,))
        images = torch.cat([enlarged[k][0][part] for k, part in enumerate(places.chunk(3))])
        loss = F.cross_entropy(model(normalised(distorted(images))), labels[places], label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 500 == 499:
            held = [accuracy(model, x[count:], labels[count:]) for x, _ in enlarged]
            print(f"reader {step + 1}: loss {loss.item():.3f}, held out {held}", flush=True)
    write("digit-reader", model, dict(
        model_type="lenet", architectures=["LeNetForImageClassification"], num_channels=1, image_size=READER_SIZE,
        hidden_act="relu", pooling="max", id2label={str(i): str(i) for i in range(10)},
        pretrained_cfg=dict(input_size=[1, READER_SIZE, READER_SIZE], interpolation="bilinear", crop_pct=1.0,
                            crop_mode="squash", mean=[0.5], std=[0.5])))
    data = load_digits()
    for index in range(count, len(labels)):
        folder = OUT / "held-out" / str(int(labels[index]))
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.uint8(np.round(data.images[index] * 255 / 16))).save(folder / f"{index}.png")
    return model


# ---- The writer


class Generator(nn.Module):
    """Noise and the wanted label, one number a label, become an image."""

    def __init__(self):
        super().__init__()
        before = LATENTS + 10
        for index, width in enumerate(WIDTHS + [1]):
            first = index == 0
            setattr(self, f"deconv{index + 1}",
                    nn.ConvTranspose2d(before, width, 4, 1 if first else 2, 0 if first else 1,
                                       bias=index == len(WIDTHS)))
            if index < len(WIDTHS):
                setattr(self, f"bn{index + 1}", nn.BatchNorm2d(width))
            before = width

    def forward(self, z, labels):
        h = torch.cat([z, F.one_hot(labels, 10).float()], 1).view(len(z), -1, 1, 1)
        for index in range(len(WIDTHS)):
            h = F.relu(getattr(self, f"bn{index + 1}")(getattr(self, f"deconv{index + 1}")(h)))
        return torch.tanh(getattr(self, f"deconv{len(WIDTHS) + 1}")(h))


class Discriminator(nn.Module):
    """Says how real an image of a label is, by its features and by how they go with the label's vector, and which label it
    has. (Miyato and Koyama, 2018; Odena, Olah and Shlens, 2017)"""

    def __init__(self):
        super().__init__()
        norm = nn.utils.parametrizations.spectral_norm
        layers, before = [], 1
        for width in (24, 48, 96):
            layers += [norm(nn.Conv2d(before, width, 4, 2, 1)), nn.LeakyReLU(0.2)]
            before = width
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.score = norm(nn.Linear(96 * 16, 1))
        self.labels = norm(nn.Embedding(10, 96 * 16))
        self.reads = nn.Linear(96 * 16, 10)

    def forward(self, x, labels):
        h = self.layers(x)
        return self.score(h).squeeze(1) + (self.labels(labels) * h).sum(1), F.cross_entropy(self.reads(h), labels)


def moved(images):
    """The same random shifts for real and made images, so that few images teach much. (DiffAugment; Zhao et al., 2020)"""
    padded = F.pad(images, (4, 4, 4, 4), value=-1)
    parts = []
    for piece in padded.chunk(8):
        x, y = (int(v) for v in torch.randint(0, 9, (2,)))
        parts.append(piece[:, :, y:y + WRITER_SIZE, x:x + WRITER_SIZE])
    return torch.cat(parts)


def train_writer(reader):
    torch.manual_seed(7)
    images, labels = digits(WRITER_SIZE, Image.BICUBIC)
    images = normalised(images)
    generator, discriminator = Generator(), Discriminator()
    for module in generator.modules():
        if isinstance(module, nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0, 0.05)
    average = Generator()
    average.load_state_dict(generator.state_dict())
    makes = torch.optim.Adam(generator.parameters(), 4e-4, (0.0, 0.95))
    judges = torch.optim.Adam(discriminator.parameters(), 4e-4, (0.0, 0.95))
    for step in range(WRITER_STEPS):
        share = min(1, 2 * (1 - step / WRITER_STEPS))
        for group in makes.param_groups + judges.param_groups:
            group["lr"] = 4e-4 * share
        places = torch.randint(0, len(labels), (64,))
        wanted = torch.randint(0, 10, (64,))
        made = generator(torch.randn(64, LATENTS), wanted)
        real, misread = discriminator(moved(images[places]), labels[places])
        fake, _ = discriminator(moved(made.detach()), wanted)
        loss = F.relu(1 - real).mean() + F.relu(1 + fake).mean() + misread
        judges.zero_grad()
        loss.backward()
        judges.step()
        score, misread = discriminator(moved(made), wanted)
        makes.zero_grad()
        (misread - score.mean()).backward()
        makes.step()
        with torch.no_grad():
            for kept, new in zip(average.parameters(), generator.parameters()):
                kept.lerp_(new, 0.002)
        if step % 500 == 499:
            refresh(average)
            note = "" if reader is None else f", read as wanted {readable(average, reader):.3f}"
            print(f"writer {step + 1}: loss {loss.item():.3f}{note}", flush=True)
            sheet(average, OUT / "writer.png")
    write("digit-writer", average, dict(
        model_type="dcgan", architectures=["DCGANGenerator"], latent_dim=LATENTS, num_channels=1,
        image_size=WRITER_SIZE, channels=WIDTHS, id2label={str(i): str(i) for i in range(10)}))


def refresh(model):
    """Running statistics of averaged weights are those of their own outputs."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model.train()
    with torch.no_grad():
        for _ in range(20):
            model(torch.randn(250, LATENTS), torch.arange(250) % 10)
    model.eval()


def readable(model, reader):
    labels = torch.arange(1000) % 10
    with torch.no_grad():
        images = (model(torch.randn(1000, LATENTS), labels) + 1) / 2
        small = F.interpolate(images, READER_SIZE, mode="bilinear", antialias=True)
    return accuracy(reader, small, labels)


def sheet(model, path):
    with torch.no_grad():
        images = model(torch.randn(100, LATENTS), torch.arange(100) % 10)
    grid = ((images + 1) * 127.5).round().byte().view(10, 10, WRITER_SIZE, WRITER_SIZE).permute(0, 2, 1, 3)
    Image.fromarray(grid.reshape(10 * WRITER_SIZE, -1).numpy()).save(path)


reader = train_reader() if PART in ("both", "classifier") else None
if PART in ("both", "generator"):
    train_writer(reader)
