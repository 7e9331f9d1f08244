"""A CLIP of two tiny layers with random weights, as transformers saves one."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model of 32-pixel pictures and 20 tokens, one for a letter."""
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder = tmp_path_factory.mktemp("clip")
    letters = [letter + end for end in ("", "</w>") for letter in string.ascii_lowercase]
    vocabulary = {token: number for number, token in enumerate(["<|startoftext|>", "<|endoftext|>", *letters])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    tokens = {"vocab_size": len(vocabulary), "max_position_embeddings": 20, "bos_token_id": 0, "eos_token_id": 1}
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config={**size, **tokens, "pad_token_id": 1},
        vision_config={**size, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    model = CLIPModel(config)
    for parameter in model.parameters():  # the usual start is so small that all pictures look alike
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    CLIPTokenizer(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt")).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
