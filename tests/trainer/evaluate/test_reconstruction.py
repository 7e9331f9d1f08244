"""Captions are drawn and compared: tiny random pipelines, so that what is tested is the way, not the pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from m3w.trainer.evaluate.evaluation import evaluate
from m3w.trainer.evaluate.recipe import ReconstructionRecipe, load_evaluation
from m3w.trainer.ranks import Ranks

diffusers = pytest.importorskip("diffusers", reason="the extra round-trip is not installed")

from m3w.trainer.evaluate.reconstruction import ImageReconstruction  # noqa: E402

TEXT = {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 2, "vocab_size": 600}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("round-trip")
    torch.manual_seed(0)
    letters = [chr(code) for code in range(97, 123)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)
    blocks = {"block_out_channels": (32, 64), "norm_num_groups": 32}
    pipeline = diffusers.StableDiffusionPipeline(
        vae=diffusers.AutoencoderKL(
            in_channels=3,
            out_channels=3,
            latent_channels=4,
            down_block_types=["DownEncoderBlock2D"] * 2,
            up_block_types=["UpDecoderBlock2D"] * 2,
            **blocks,
        ),
        text_encoder=CLIPTextModel(CLIPTextConfig(**TEXT)),
        tokenizer=tokenizer,
        unet=diffusers.UNet2DConditionModel(
            sample_size=16,
            in_channels=4,
            out_channels=4,
            layers_per_block=1,
            cross_attention_dim=32,
            attention_head_dim=8,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            **blocks,
        ),
        scheduler=diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder / "pipeline")
    vision = {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 2}
    clip = CLIPModel(CLIPConfig(text_config=TEXT, vision_config={**vision, "image_size": 32, "patch_size": 8}))
    clip.save_pretrained(folder / "clip")
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32).save_pretrained(folder / "clip")
    return {"pipeline": str(folder / "pipeline"), "clip": str(folder / "clip")}


def test_a_caption_gives_one_picture_and_a_picture_is_like_itself(models: dict[str, str], tmp_path: Path) -> None:
    metric = ImageReconstruction(
        ReconstructionRecipe(**models, steps=2, side=32), tmp_path / "drawn", torch.device("cpu")
    )
    one = metric.generate("a red circle")
    assert one.size == (32, 32) and one.tobytes() == metric.generate("a red circle").tobytes()
    assert (
        one.tobytes() != metric.generate("a blue square").tobytes() and len(list((tmp_path / "drawn").iterdir())) == 2
    )
    same = metric.features([one, one, Image.new("RGB", (32, 32), "white")])
    assert float(same[0] @ same[1]) == pytest.approx(1.0, abs=1e-5) and float(same[0] @ same[2]) < 0.9999


def test_an_evaluation_scores_the_round_trip(
    models: dict[str, str], checkpoint: Path, recipe: Callable[..., Path], tmp_path: Path
) -> None:
    fields = {"form": "open", "metrics": ["exact_match"], "shots": [0], "seeds": [0], "limit": 2, "max_new_tokens": 3}
    path = recipe(**fields, beams=1, round_trip={**models, "steps": 1, "side": 32})
    results = evaluate(checkpoint, load_evaluation(str(path)), Ranks(0, 1, torch.device("cpu")), lambda *_: None)
    (score,) = [row["mean"] for row in results["summary"] if row["metric"] == "round_trip"]
    assert -100 <= score <= 100 and list((tmp_path / "out/round-trip").glob("*.png"))
