"""What is said before a training is what it then takes."""

from pathlib import Path

import pytest
import torch

from m3w.cli.models import describe_training
from m3w.recipes.errors import InputError
from m3w.trainer.dry_run import dry_run
from m3w.trainer.memory import activations
from m3w.trainer.meta_model import meta_model
from m3w.trainer.parallelize import inner
from m3w.trainer.preparation import prepare
from m3w.trainer.ranks import Ranks
from m3w.trainer.recipe import load_recipe
from m3w.trainer.update import update

ALONE = Ranks(0, 1, torch.device("cpu"))
RECIPES = Path(__file__).resolve().parents[3] / "recipes"


def test_weights_gradients_and_optimizer_are_what_a_training_holds(recipe):
    """To the byte; nothing else is kept between steps."""
    loaded = load_recipe(str(recipe))
    training = prepare(loaded, ALONE)[0]
    vocabulary = inner(training.model).config.text_config.vocab_size
    same = load_recipe(str(recipe), [f"model.language_model.config.vocab_size={vocabulary}", "training.precision=fp32"])
    said = dry_run(same, gpus=1, gpu="h100", mfu=0.4).strategies["ddp over 1"]
    shares = next(training.mixture.steps(0, 1, 0))
    update(training.model, training.optimizer, shares, ALONE, precision="fp32", clip=1.0)
    moments = [v for state in training.optimizer.state.values() for k, v in state.items() if k != "step"]
    assert said.weights == sum(p.numel() * p.element_size() for p in training.model.parameters())
    assert said.gradients == sum(4 * p.numel() for p in training.model.parameters() if p.requires_grad)
    assert said.optimizer == sum(v.numel() * v.element_size() for v in moments)


def saved_bytes(model: torch.nn.Module, batch: dict[str, torch.Tensor | None]) -> int:
    """Of what autograd keeps in a real forward pass, each storage once, without parameters."""
    sizes: dict[int, torch.UntypedStorage] = {}
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = model(**batch)
        logits = outputs.logits.float()
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.zeros(logits[..., 0].numel(), dtype=torch.long))
        # The logits and their gradient are there too when the backward pass begins.
        return sum(storage.nbytes() for storage in sizes.values()) + 2 * logits.numel() * 4


def test_activations_are_within_a_tenth_of_what_autograd_saves(recipe):
    loaded = load_recipe(
        str(recipe), ["training.micro_batch_size=4", "model.vision_encoder.frozen=true", "data.tokens=128"]
    )
    training = prepare(loaded, ALONE)[0]
    batch = next(training.mixture.steps(0, 1, 0))[0].batches[0].to(ALONE.device)
    real = saved_bytes(training.model.train(), batch.inputs())
    vocabulary = inner(training.model).config.text_config.vocab_size
    sets = ["model.vision_encoder.frozen=true", f"model.language_model.config.vocab_size={vocabulary}"]
    model = meta_model(load_recipe(str(recipe), sets).model, bf16=False)
    images = len(batch.pixel_values) / 4
    said = activations(model, bf16=False, rows=4, tokens=128, images=round(images), features=4, checkpointing=False)
    assert said == pytest.approx(real, rel=0.1)


@pytest.mark.parametrize(("name", "trained", "frozen"), [("3b", 1.40e9, 1.84e9), ("9b", 1.81e9, 7.29e9)])
def test_the_paper_s_sizes_without_a_network(name, trained, frozen):
    said = dry_run(load_recipe(str(RECIPES / f"train-{name}.yaml")), gpus=32, gpu="h100", mfu=0.4)
    assert sum(room.trained for room in said.rooms.values()) == pytest.approx(trained, rel=0.01)
    assert sum(room.frozen for room in said.rooms.values()) == pytest.approx(frozen, rel=0.01)
    assert said.rooms["cross_attention"].frozen == said.rooms["vision_encoder"].trained == 0


@pytest.mark.slow
def test_eighty_billions_fit_when_they_are_sharded_and_not_when_they_are_not():
    text = describe_training(str(RECIPES / "train-80b.yaml"), [], gpus=256, gpu="h100", mfu=0.4)
    assert "the recipe's strategy fits in 80 GiB of a h100" in text
    said = dry_run(load_recipe(str(RECIPES / "train-80b.yaml")), gpus=256, gpu="h100", mfu=0.4)
    own, *others = said.strategies.values()
    assert own.total < 40 * 2**30 < 200 * 2**30 < max(other.total for other in others)


def test_what_cannot_be_counted_is_an_error_that_says_what_to_do(recipe):
    with pytest.raises(InputError, match="'abacus' is not known; take one of"):
        dry_run(load_recipe(str(recipe)), gpus=1, gpu="abacus", mfu=0.4)
    with pytest.raises(InputError, match="lies nowhere on this machine"):
        sets = ["model.language_model={pretrained: nobody/nothing}"]
        dry_run(load_recipe(str(recipe), sets), gpus=1, gpu="h100", mfu=0.4)
