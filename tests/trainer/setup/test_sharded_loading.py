"""Named backbones on several processes: read by rows, and the same training as where each holds all."""

from functools import partial
from pathlib import Path

import pytest
import torch
import yaml
from torch.distributed.tensor import DTensor
from transformers import AutoTokenizer, CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel, LlamaConfig
from transformers import LlamaForCausalLM as Llama

from m3w.model import Flamingo
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.generate import look_test
from m3w.trainer.metrics.journal import read_metrics
from m3w.trainer.preparation import prepare
from m3w.trainer.recipe import Recipe, load_recipe
from m3w.trainer.training import train

ALONE = Ranks(0, 1, torch.device("cpu"))


@pytest.fixture
def named(recipe: Path, tmp_path: Path) -> Path:
    """The recipe with frozen backbones in folders; the vocabulary is not a multiple of the processes."""
    train(load_recipe(str(recipe), ["training.steps=1", f"output={tmp_path / 'scratch'}"]), ALONE)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "scratch" / "processor")
    torch.manual_seed(3)
    text = LlamaConfig(
        vocab_size=len(tokenizer) + 1 + len(tokenizer) % 2,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=2,
        tie_word_embeddings=True,
    )
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=16
    )
    Llama(text).save_pretrained(tmp_path / "lm", max_shard_size="20KB")
    tokenizer.save_pretrained(tmp_path / "lm")
    CLIPVisionModel(vision).save_pretrained(tmp_path / "vision")
    CLIPImageProcessor(size={"shortest_edge": 32}).save_pretrained(tmp_path / "vision")
    fields = yaml.safe_load(recipe.read_text())
    fields["model"]["tokenizer"] = {"pretrained": str(tmp_path / "lm")}
    fields["model"]["language_model"] = {"pretrained": str(tmp_path / "lm")}
    fields["model"]["vision_encoder"] = {"pretrained": str(tmp_path / "vision")}
    recipe.write_text(yaml.safe_dump(fields))
    return recipe


def first_losses(recipe: Recipe, ranks: Ranks) -> list[tuple[float, float]]:
    train(recipe, ranks)
    return [(line["loss"], line["gradient_norm"]) for line in read_metrics(Path(recipe.output))]


@pytest.mark.parametrize(("strategy", "files"), [("fsdp", True), ("hybrid", False)])
def test_a_named_language_model_is_read_by_rows(named, spread, tmp_path, strategy, files):
    """Or by the first process and sent on, where its files do not have its parameters' names."""
    if not files:
        model = Llama.from_pretrained(tmp_path / "lm")
        for file in (tmp_path / "lm").glob("*.safetensors*"):
            file.unlink()
        torch.save(model.state_dict(), tmp_path / "lm" / "pytorch_model.bin")
    alone = load_recipe(str(named), ["training.steps=3", f"output={tmp_path / 'alone'}"])
    expected = first_losses(alone, ALONE)
    sets = [f"parallel.strategy={strategy}", f"output={tmp_path / 'two'}", "training.steps=3"]
    for found in spread(2, partial(first_losses, load_recipe(str(named), sets))):
        for ours, theirs in zip(found, expected, strict=True):
            assert ours == pytest.approx(theirs, rel=1e-5)
    exported = Flamingo.from_pretrained(tmp_path / "two" / "model")
    whole = Flamingo.from_pretrained(tmp_path / "alone" / "model")
    assert exported.config.checkpoint_holds == "everything" and exported.dtype == torch.float32
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(exported.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    assert look_test(tmp_path / "two" / "model", alone.data.dataset, batches=1, batch_size=4).right > 0


def sizes(recipe: Recipe, ranks: Ranks) -> tuple[int, int, bool]:
    """Bytes of parameters held here, bytes of all, and whether all of them are shards."""
    model = prepare(recipe, ranks)[0].model
    held = [p.to_local() if isinstance(p, DTensor) else p for p in model.parameters()]
    whole = sum(p.numel() * p.element_size() for p in model.parameters())
    return (
        sum(p.numel() * p.element_size() for p in held),
        whole,
        all(isinstance(p, DTensor) for p in model.parameters()),
    )


def test_a_process_holds_its_shard_alone(named, spread):
    (held, whole, sharded), *_ = spread(2, partial(sizes, load_recipe(str(named), ["parallel.strategy=fsdp"])))
    assert sharded
    assert held < 0.55 * whole
