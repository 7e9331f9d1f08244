"""`m3w train RECIPE --dry-run`: what a training would need and cost, before anything is fetched or started."""

from __future__ import annotations

from dataclasses import dataclass

from m3w.recipes.errors import InputError
from m3w.trainer.data.lanes import rank_lanes
from m3w.trainer.flops import MEMORY_GIB, PEAK_FLOPS, count_costs, peak_flops, vision_flops
from m3w.trainer.memory import Memory, Room, estimate, rooms
from m3w.trainer.meta_model import image_size_of, meta_model
from m3w.trainer.parallelize import shard_size
from m3w.trainer.recipe import Recipe

GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What is said of a recipe."""

    rooms: dict[str, Room]
    strategies: dict[str, Memory]
    """Memory of one GPU by strategy; the recipe's own first."""
    tokens: int
    """Places of one update: padding counts."""
    images: int
    """The most of one update."""
    flops: float
    """Of one update."""
    steps: int
    gpus: int
    gpu: str
    mfu: float

    @property
    def gpu_hours(self) -> float:
        """All updates at the stated MFU."""
        return self.steps * self.flops / ((peak_flops(self.gpu) or 0.0) * self.mfu) / 3600

    @property
    def seconds(self) -> float:
        """Of one update on all GPUs."""
        return self.gpu_hours * 3600 / self.steps / self.gpus


def dry_run(recipe: Recipe, *, gpus: int, gpu: str, mfu: float) -> DryRun:
    """Raises InputError for a GPU or a backbone that is not known, ValueError where the GPUs do not fit the recipe."""
    if peak_flops(gpu) is None:
        raise InputError(f"the speed of a GPU called {gpu!r} is not known; take one of {', '.join(PEAK_FLOPS)}")
    rank_lanes(recipe.training.batch_size, 0, gpus)
    bf16 = recipe.training.precision != "fp32"
    model = meta_model(recipe.model, bf16=bf16)
    size = image_size_of(recipe.model)
    features, _ = vision_flops(model.config, size)
    own, local = recipe.parallel.strategy, min(gpus, 8)
    sharded = {"ddp": 1, "fsdp": gpus, "hybrid": recipe.parallel.shard_size or local}
    sharded[own] = shard_size(recipe.parallel, gpus) if own != "hybrid" or recipe.parallel.shard_size else local
    batches = recipe.training.batch_size // gpus
    several = batches > recipe.training.micro_batch_size or bool(recipe.pairs)
    strategies = {
        f"{name} over {shards}": estimate(
            model,
            shards=shards,
            bf16=bf16,
            micro_batch=min(recipe.training.micro_batch_size, batches),
            tokens=recipe.data.tokens,
            images=recipe.data.images,
            features=features,
            checkpointing=recipe.parallel.activation_checkpointing,
            whole_gradients=several and not recipe.parallel.reduce_every_micro_batch,
        )
        for name, shards in sorted(sharded.items(), key=lambda item: item[0] != own)
    }
    amounts = _amounts(recipe)
    return DryRun(
        rooms=rooms(model),
        strategies=strategies,
        tokens=amounts["places"],
        images=amounts["images"],
        flops=count_costs(model, size).of(**amounts),
        steps=recipe.training.steps,
        gpus=gpus,
        gpu=gpu,
        mfu=mfu,
    )


def _amounts(recipe: Recipe) -> dict[str, int]:
    """Of one update, with as many images as windows can have."""
    windows = [(recipe.training.batch_size, recipe.data.tokens, recipe.data.images)]
    windows += [(pairs.batch_size, pairs.tokens, 1) for pairs in recipe.pairs.values()]
    images = sum(rows * most for rows, _, most in windows)
    return {
        "places": sum(rows * tokens for rows, tokens, _ in windows),
        "pairs": sum(rows * tokens**2 for rows, tokens, _ in windows),
        "images": images,
        "frames": images,
    }


def describe(found: DryRun) -> list[str]:
    """Lines for a person."""
    lines = [f"{'parameters':24} {'trained':>14} {'frozen':>16}"]
    lines += [f"  {name:22} {room.trained:14,} {room.frozen:16,}" for name, room in found.rooms.items()]
    trained, frozen = (sum(getattr(room, kind) for room in found.rooms.values()) for kind in ("trained", "frozen"))
    lines += [f"  {'all':22} {trained:14,} {frozen:16,}", ""]
    names = ("weights", "gradients", "optimizer", "gathered", "activations", "total")
    lines.append(f"{'GiB a GPU':24} " + " ".join(f"{name:>11}" for name in names))
    for strategy, memory in found.strategies.items():
        lines.append(f"  {strategy:22} " + " ".join(f"{getattr(memory, name) / GIB:11.2f}" for name in names))
    capacity = _capacity(found.gpu)
    own = next(iter(found.strategies.values())).total / GIB
    fits = "fits" if capacity and own * 1.2 < capacity else "does not fit, with a fifth to spare,"
    lines += [
        f"  the recipe's strategy {fits} in {capacity} GiB of a {found.gpu}" if capacity else "",
        "",
        f"an update: {found.tokens:,} tokens (with padding), up to {found.images:,} images, {found.flops:.3g} FLOPs",
        f"{found.steps:,} updates at {found.mfu:.0%} MFU on {found.gpus} x {found.gpu}: {found.seconds:.2f} s each, "
        f"{found.gpu_hours:,.0f} GPU hours, {found.gpu_hours / found.gpus / 24:,.1f} days",
    ]
    return lines


def _capacity(gpu: str) -> int | None:
    plain = gpu.lower()
    return next((gib for name, gib in MEMORY_GIB.items() if name.lower() in plain), None)
