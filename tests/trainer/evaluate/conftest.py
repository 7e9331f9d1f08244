"""A tiny Flamingo with random weights and open gates, and a table of drawn pictures to ask it about."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from m3w.model import Flamingo, FlamingoConfig, FlamingoProcessor
from m3w.trainer.setup.tokenizer import train_tokenizer

COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("circle", "square", "triangle")


def tiny_flamingo(folder: Path, language_model: str = "llama") -> Path:
    words = [f"Question: which shape is {c}? Answer: {c} {s} Output: a picture of it" for c in COLOURS for s in SHAPES]
    processor = FlamingoProcessor(train_tokenizer(words, 320), image_size=32)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    families = {
        "llama": {"intermediate_size": 64, "num_key_value_heads": 2},
        "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32, "max_position_embeddings": 256},
        "gemma3_text": {
            "intermediate_size": 64,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "sliding_window": 8,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    }
    config = FlamingoConfig(
        text_config={
            "model_type": language_model,
            "vocab_size": len(processor.tokenizer),
            **sizes,
            **families[language_model],
        },
        vision_config={
            "model_type": "clip_vision_model",
            "image_size": 32,
            "patch_size": 8,
            "intermediate_size": 64,
            **sizes,
        },
        image_token_id=processor.image_token_id,
        end_of_chunk_token_id=processor.end_of_chunk_token_id,
        head_dim=16,
        resampler_layers=1,
        resampler_latents=4,
        resampler_heads=2,
        freeze_language_model=False,
        freeze_vision_encoder=False,
    )
    model = Flamingo(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0) if name.endswith("_gate") else parameter.mul_(4.0)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A tiny Flamingo over a family of language models, by its name."""
    made: dict[str, Path] = {}

    def make(language_model: str) -> Path:
        if language_model not in made:
            made[language_model] = tiny_flamingo(tmp_path_factory.mktemp(language_model), language_model)
        return made[language_model]

    return make


@pytest.fixture(scope="session")
def checkpoint(tiny: Callable[[str], Path]) -> Path:
    return tiny("llama")


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory, make_png: Callable[..., bytes]) -> Path:
    """`queries.jsonl` of 12 and `supports.jsonl` of 24 drawn shapes; the colour is asked."""
    folder = tmp_path_factory.mktemp("shapes-table")
    for name, count in (("queries", 12), ("supports", 24)):
        lines = []
        for number in range(count):
            colour, shape = COLOURS[number % 4], SHAPES[number % 3]
            picture = folder / f"{name}-{number}.png"
            picture.write_bytes(make_png(colour, shape, at=(number, 3 + number)))
            lines.append(
                {
                    "key": f"{name[0]}{number}",
                    "image": picture.name,
                    "question": f"which colour is the {shape}?",
                    "answer": colour,
                    "shape": shape,
                }
            )
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def recipe(tmp_path: Path, shapes: Path) -> Callable[..., Path]:
    """Writes a recipe over the shapes with further keys; gives its path."""

    def write(**keys: object) -> Path:
        fields: dict[str, object] = {
            "output": str(tmp_path / "out"),
            "task": "table",
            "root": str(shapes),
            "queries": {"table": "queries.jsonl", "key": "key", "choices": list(COLOURS)},
            "supports": {"table": "supports.jsonl", "key": "key", "choices": list(COLOURS)},
            "form": "close",
            "metrics": ["accuracy"],
            "shots": [0, 2],
            "seeds": [0, 1],
            "batch_size": 4,
            **keys,
        }
        path = tmp_path / "recipe.yaml"
        path.write_text(json.dumps(fields))
        return path

    return write
