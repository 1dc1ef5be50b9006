#!/usr/bin/env python3
"""Makes image files of many modes and sizes, and what Pillow and transformers' image processors make of them.

    make_image_cases.py OUT COUNT SIZE      needs Pillow and transformers; COUNT images of up to SIZE pixels a side

OUT/cases.json lists the cases: a file, the configuration of preprocessing (null: the decoded pixels themselves), and a file
of the answer: bytes [H, W, C] of decoded pixels, float32 [C, H, W] of prepared ones. Tests/Fixtures/images was made with
COUNT 14 and SIZE 13.
"""
import io
import json
import random
import sys
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from transformers import image_utils
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

warnings.filterwarnings("ignore")
out, count, most = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
out.mkdir(parents=True, exist_ok=True)
rng, pick = np.random.default_rng(16), random.Random(16)


def picture(width, height, channels):
    """Smooth colours with some noise, so that filters and JPEG have something to do."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [128 + 90 * np.sin(x / (2 + c) + c) * np.cos(y / (3 + c)) + rng.normal(0, 20, (height, width))
              for c in range(channels)]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


KINDS = ["rgb.png", "grey.png", "palette.png", "rgba.png", "la.png", "bits.png", "wide.png", "turned.png", "palette4.png",
         "rgb.jpg", "grey.jpg", "cmyk.jpg", "progressive.jpg", "turned.jpg"]


def save(kind, path, width, height, index):
    rgb = Image.fromarray(picture(width, height, 3))
    options = {}
    if kind == "grey.png" or kind == "grey.jpg":
        image = rgb.convert("L")
    elif kind == "palette.png":
        image = rgb.quantize(17)
        options["transparency"] = 3
    elif kind == "palette4.png":
        image = rgb.quantize(4)
        options["bits"] = 2
    elif kind == "rgba.png":
        image = Image.fromarray(picture(width, height, 4), "RGBA")
    elif kind == "la.png":
        image = Image.fromarray(picture(width, height, 2), "LA")
    elif kind == "bits.png":
        image = rgb.convert("1")
    elif kind == "wide.png":
        image = Image.fromarray(rng.integers(0, 600, (height, width)).astype(np.uint16))
    elif kind == "cmyk.jpg":
        image = Image.fromarray(picture(width, height, 4), "CMYK")
    elif kind == "grey-key.png":
        image = rgb.convert("L").point(lambda value: value // 40 * 40)
        options["transparency"] = 80
    elif kind == "rgb-key.png":
        image = rgb.point(lambda value: value // 100 * 100)
        options["transparency"] = image.getpixel((width // 2, height // 2))
    elif kind == "bits-key.png":
        image = rgb.convert("1")
        options["transparency"] = 0
    else:
        image = rgb
    if kind.startswith("turned"):
        options["exif"] = exif(index % 8 + 1)
    if kind.endswith(".jpg"):
        options |= dict(quality=pick.choice([60, 90, 100]), subsampling=pick.choice([0, 1, 2]))
    if kind == "progressive.jpg":
        options["progressive"] = True
    image.save(path, **options)


def side():
    return pick.randint(3, most)


def processors():
    small = max(most * 2 // 3, 4)
    yield None, None
    for resample in (0, 1, 2, 3, 4, 5):
        yield ViTImageProcessorPil(size={"height": small, "width": small + 3}, resample=resample), {}
    yield CLIPImageProcessorPil(size={"shortest_edge": small}, crop_size={"height": small, "width": small}), {}
    yield CLIPImageProcessorPil(size={"shortest_edge": small - 2}, crop_size={"height": small + 3, "width": small}), {}
    yield ConvNextImageProcessorPil(size={"shortest_edge": small}, crop_pct=0.875), {}
    yield ConvNextImageProcessorPil(size={"shortest_edge": 384}, do_normalize=False) if most > 100 else \
        ConvNextImageProcessorPil(size={"shortest_edge": small}, crop_pct=0.7, do_normalize=False), {}
    yield DeiTImageProcessorPil(size=small + 5, crop_size=small), {}


def answered(name, image, processor, answer):
    """The case of a file and a processor."""
    config = {k: v for k, v in processor.to_dict().items() if isinstance(v, (int, float, str, bool, list, dict))}
    config["image_processor_type"] = type(processor).__name__.replace("Pil", "")
    values = processor(image.convert("RGB"), return_tensors="np")["pixel_values"][0]
    (out / answer).write_bytes(values.astype(np.float32).tobytes())
    return dict(file=name, config=config, answer=answer, shape=list(values.shape))


cases, makers = [], list(processors())
# Files with one transparent colour, which CLIP's processor puts on white.
keys = ["palette.png", "grey-key.png", "rgb-key.png", "bits-key.png"]
for index in range(count + len(keys)):
    kind = KINDS[index % len(KINDS)] if index < count else keys[index - count]
    name = f"{index}-{kind}"
    save(kind, out / name, side(), side(), index)
    image = ImageOps.exif_transpose(Image.open(out / name))
    decoded = np.asarray(image.convert("RGB"))
    grey_modes = ("1", "L", "LA", "I;16")
    processor, _ = makers[index % len(makers) if index < count else 7]
    answer = f"{index}-0.bin"
    if image.mode in grey_modes:
        assert (decoded == decoded[..., :1]).all()
    (out / answer).write_bytes(decoded.tobytes())
    cases.append(dict(file=name, config=None, answer=answer, shape=list(decoded.shape)))
    if processor:
        cases.append(answered(name, image, processor, f"{index}-1.bin"))
# EfficientNet's processor divides by the deviation twice, and may take one more away.
name = cases[0]["file"]
for number, options in enumerate([{}, dict(rescale_offset=True, rescale_factor=1 / 127.5), dict(include_top=False),
                                  dict(do_normalize=False, rescale_offset=True)]):
    processor = EfficientNetImageProcessorPil(size={"height": 7, "width": 9}, resample=0, **options)
    cases.append(answered(name, Image.open(out / name), processor, f"efficientnet-{number}.bin"))
(out / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
print(len(cases), "cases")
