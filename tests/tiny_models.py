"""Models with random weights, small enough for tests, in folders as their libraries write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
PREPROCESS = {"mean": [0.48, 0.45, 0.4], "std": [0.26, 0.26, 0.27], "interpolation": "bicubic", "resize_mode": "shortest", "fill_color": 7}


def clip_folder(folder: Path, **preprocess: Any) -> Path:
    """A model of open_clip for pictures of 32 pixels and texts of 12 tokens, with open_clip's own tokenizer."""
    import open_clip
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    content = {"model_cfg": CLIP, "preprocess_cfg": {**PREPROCESS, **preprocess}}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(open_clip.CLIP(**CLIP).state_dict(), folder / "open_clip_model.safetensors")
    return folder


def timm_network(name: str = "test_resnet", classes: int = 7, **arguments: Any) -> Any:
    """A network of timm whose statistics look trained."""
    import timm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = timm.create_model(name, num_classes=classes, **arguments)
        for layer in net.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_mean.uniform_(-0.1, 0.1)
                layer.running_var.uniform_(0.5, 2)
    return net.eval()


def timm_folder(folder: Path, net: Any, **facts: Any) -> Path:
    """The network as timm's own writer saves it, with other facts of its weights."""
    from timm.models import save_for_hf

    save_for_hf(net, folder, safe_serialization=True)
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"] |= facts
    (folder / "config.json").write_text(json.dumps(config))
    return folder
