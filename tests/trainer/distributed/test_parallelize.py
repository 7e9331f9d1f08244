"""A tiny Flamingo in one process and in several over gloo: the same losses, norms and weights, however it is spread."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM, MptConfig, MptForCausalLM

from m3w.model import Flamingo
from m3w.trainer.data.collate import Batch
from m3w.trainer.data.mixture import Share
from m3w.trainer.data.windows import IGNORED
from m3w.trainer.distributed.parallelize import checkpoint_blocks, parallelize, shard_size
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.recipe import ParallelRecipe
from m3w.trainer.update import update

IMAGE, SIDE, STEPS = 60, 16, 3


def tiny_flamingo(*, frozen: bool = True, tied: bool = True) -> Flamingo:
    torch.manual_seed(0)
    text = LlamaConfig(
        vocab_size=60,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=2,
        tie_word_embeddings=tied,
    )
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE, patch_size=8
    )
    model = Flamingo.from_backbones(
        language_model=LlamaForCausalLM(text),
        vision_encoder=CLIPVisionModel(vision),
        freeze_language_model=frozen,
        freeze_vision_encoder=frozen,
        cross_attention_interval=2,
        head_dim=16,
        resampler_layers=1,
        resampler_latents=3,
        resampler_heads=2,
    )
    with torch.no_grad():
        for block in model.cross_attention_blocks:
            block.attention_gate.fill_(0.7)
            block.feed_forward_gate.fill_(0.7)
    return model


def rows(step: int, first: int, last: int, images: bool = True) -> Batch:
    """Rows `first` up to `last` of the global batch of 8; those of an odd number have no image."""
    draw = torch.Generator().manual_seed(step)
    ids = torch.randint(0, 60, (8, 12), generator=draw)
    pixels = torch.randn(8, 1, 3, SIDE, SIDE, generator=draw)
    ids[::2, 0] = IMAGE
    ids[3, 6:] = 0
    mask = torch.ones_like(ids)
    mask[3, 6:] = 0
    ids, mask, tags = ids[first:last], mask[first:last], (ids == IMAGE)[first:last]
    return Batch(
        keys=[str(row) for row in range(first, last)],
        input_ids=ids,
        attention_mask=mask,
        labels=ids.masked_fill(tags | (mask == 0), IGNORED),
        phi=tags.long().cumsum(1),
        pixel_values=pixels[first:last][tags.any(1)],
        image_counts=tags.sum(1),
    )


def steps(
    ranks: Ranks, recipe: ParallelRecipe, *, micro: int, make: Callable[[], Flamingo] = tiny_flamingo
) -> list[tuple[float, dict[str, float]]]:
    """Loss and norms by part of each of some updates."""
    model = parallelize(make().train(), recipe, ranks, bf16=False, image_size=SIDE)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)
    share = 8 // ranks.count
    own, found = range(ranks.rank * share, (ranks.rank + 1) * share), []
    for step in range(STEPS):
        batches = [rows(step, first, first + micro) for first in own[::micro]]
        report = update(
            model,
            optimizer,
            [Share("a", 1.0, batches)],
            ranks,
            precision="fp32",
            clip=0.5,
            reduce_every_micro_batch=recipe.reduce_every_micro_batch,
        )
        found.append((report.loss, report.gradient_norms))
    return found


@pytest.fixture(scope="module")
def alone() -> list[tuple[float, dict[str, float]]]:
    return steps(Ranks(0, 1, torch.device("cpu")), ParallelRecipe(), micro=8)


def same(ours: object, theirs: list[tuple[float, dict[str, float]]]) -> None:
    for (loss, norms), (expected, expected_norms) in zip(ours, theirs, strict=True):  # type: ignore[call-overload]
        assert loss == pytest.approx(expected, rel=1e-5)
        assert norms == pytest.approx(expected_norms, rel=1e-4)


CASES = [
    ("ddp", 2, 2, {}),
    ("fsdp", 2, 4, {"activation_checkpointing": True}),
    ("fsdp", 2, 1, {"reduce_every_micro_batch": True}),
    ("fsdp", 4, 1, {}),  # half of the micro-batches have no image
    ("hybrid", 4, 2, {"shard_size": 2, "activation_checkpointing": True}),
]


@pytest.mark.parametrize(("strategy", "count", "micro", "more"), CASES)
def test_losses_and_norms_are_those_of_one_process(spread, alone, strategy, count, micro, more):
    work = partial(steps, recipe=ParallelRecipe(strategy=strategy, **more), micro=micro)
    for found in spread(count, work):
        same(found, alone)


@pytest.mark.slow
@pytest.mark.parametrize(("frozen", "tied"), [(False, True), (False, False), (True, False)])
@pytest.mark.parametrize("count", [2, 4])
def test_backbones_that_are_trained_are_sharded_too(spread, frozen, tied, count):
    make = partial(tiny_flamingo, frozen=frozen, tied=tied)
    expected = steps(Ranks(0, 1, torch.device("cpu")), ParallelRecipe(), micro=8, make=make)
    for found in spread(count, partial(steps, recipe=ParallelRecipe(strategy="fsdp"), micro=1, make=make)):
        same(found, expected)


def test_activation_checkpointing_is_refused_where_blocks_would_run_again_blind():
    text = MptConfig(d_model=16, n_heads=2, n_layers=2, vocab_size=60)
    vision = CLIPVisionConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    model = Flamingo.from_backbones(
        language_model=MptForCausalLM(text), vision_encoder=CLIPVisionModel(vision), head_dim=8, resampler_layers=1
    )
    with pytest.raises(ValueError, match=r"blocks of mpt get .*activation_checkpointing to false"):
        checkpoint_blocks(model)


@pytest.mark.parametrize(("count", "size"), [(4, 3), (6, 4)])
def test_a_shard_size_that_does_not_divide_the_processes_is_an_error(count, size):
    with pytest.raises(ValueError, match=f"{count} processes make no whole number of copies of {size} shards"):
        shard_size(ParallelRecipe(strategy="hybrid", shard_size=size), count)


@pytest.mark.slow
def test_compiled_blocks_compute_the_same(alone):
    recipe = ParallelRecipe(compile=True, activation_checkpointing=True)
    same(steps(Ranks(0, 1, torch.device("cpu")), recipe, micro=8), alone)
