import json
import threading
import uuid
from pathlib import Path

import pytest
import torch
from torch import nn

from m3w.trainer.checkpoint.checkpoints import CheckpointError, Checkpoints
from m3w.trainer.checkpoint.store import open_store
from m3w.trainer.distributed.ranks import Ranks
from m3w.trainer.recipe import CheckpointRecipe

ALONE = Ranks(0, 1, torch.device("cpu"))


def small_model() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    model[2].requires_grad_(False)
    return model


def trained(seed: int, updates: int) -> tuple[nn.Sequential, torch.optim.AdamW]:
    torch.manual_seed(seed)
    model = small_model()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)
    run(model, optimizer, updates)
    return model, optimizer


def run(model: nn.Module, optimizer: torch.optim.Optimizer, updates: int) -> list[float]:
    losses = []
    for _ in range(updates):
        loss = model(torch.randn(5, 3)).square().sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def checkpoints(folder: Path | str, identity: dict[str, object] | None = None, **recipe: int) -> Checkpoints:
    return Checkpoints(str(folder), CheckpointRecipe(**recipe), identity or {"seed": 1}, ALONE)


def saved(store: Checkpoints, step: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> Path:
    store.save(step, model, optimizer)
    store.finish()
    return Path(store.store.path(step))


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "local" else f"memory://{uuid.uuid4().hex}/checkpoints"


def test_what_is_loaded_goes_on_bit_for_bit_as_what_was_saved(folder):
    model, optimizer = trained(seed=0, updates=3)
    frozen = {name: value.clone() for name, value in model.state_dict().items()}
    store = checkpoints(folder)
    store.save(3, model, optimizer)
    expected = run(model, optimizer, 4)  # while it is written
    store.finish()

    other, other_optimizer = trained(seed=9, updates=2)
    other[2].load_state_dict({"weight": frozen["2.weight"], "bias": frozen["2.bias"]})
    assert checkpoints(folder).resume(other, other_optimizer) == 3
    assert run(other, other_optimizer, 4) == expected


def test_frozen_parameters_are_not_written(tmp_path):
    folder = saved(checkpoints(tmp_path), 1, *trained(seed=0, updates=1))
    written = torch.distributed.checkpoint.FileSystemReader(folder).read_metadata().state_dict_metadata
    assert "model.0.weight" in written
    assert "model.2.weight" not in written


def test_without_a_checkpoint_a_training_starts_at_nought(folder):
    assert checkpoints(folder).resume(*trained(seed=0, updates=0)) == 0


def test_the_newest_are_kept_and_every_nth_for_good(folder):
    store = checkpoints(folder, keep=2, keep_every=4)
    model, optimizer = trained(seed=0, updates=1)
    for step in (2, 4, 6, 8, 10, 12):
        store.save(step, model, optimizer)
    store.finish()
    assert store.store.steps() == [4, 8, 10, 12]


def test_a_checkpoint_that_was_not_finished_is_passed_over_and_removed(tmp_path):
    store = checkpoints(tmp_path)
    model, optimizer = trained(seed=0, updates=1)
    saved(store, 1, model, optimizer)
    partial = tmp_path / ".partial-step-00000002"
    partial.mkdir()
    (partial / "training.json").write_text("{")
    assert store.resume(model, optimizer) == 1
    saved(store, 2, model, optimizer)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001", "step-00000002"]


def test_on_an_object_store_a_checkpoint_is_there_once_its_record_is():
    store = checkpoints(f"memory://{uuid.uuid4().hex}")
    model, optimizer = trained(seed=0, updates=1)
    saved(store, 1, model, optimizer)
    store.store.write(2, "__0_0.distcp", b"half")  # the writer was killed here
    assert store.resume(model, optimizer) == 1
    saved(store, 3, model, optimizer)
    assert store.store.steps() == [1, 3]
    assert store.store.read(2, "__0_0.distcp") is None


@pytest.mark.parametrize("background", [True, False])
def test_a_checkpoint_that_cannot_be_written_is_an_error_and_the_one_before_stays(tmp_path, monkeypatch, background):
    store = checkpoints(tmp_path)
    model, optimizer = trained(seed=0, updates=1)
    saved(store, 1, model, optimizer)

    def full(descriptor: int) -> None:
        if (threading.current_thread() is not threading.main_thread()) == background:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CheckpointError, match=r"step 2 could not be written .* No space left"):
        saved(store, 2, model, optimizer)
    assert open_store(str(tmp_path)).steps() == [1]


def test_a_checkpoint_of_another_training_is_an_error_that_names_the_difference(folder):
    saved(checkpoints(folder, {"seed": 1, "batch_size": 8}), 1, *trained(seed=0, updates=1))
    with pytest.raises(ValueError, match=r"batch_size = 8.*16.*another `output`"):
        checkpoints(folder, {"seed": 1, "batch_size": 16}).resume(*trained(seed=0, updates=1))


def test_a_checkpoint_of_another_shape_is_an_error_that_says_what_to_do(tmp_path):
    saved(checkpoints(tmp_path), 1, *trained(seed=0, updates=1))
    wide = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))
    with pytest.raises(ValueError, match="does not fit this model or is damaged"):
        checkpoints(tmp_path).resume(wide, torch.optim.AdamW(wide.parameters()))


def test_a_checkpoint_says_which_step_it_is_of(tmp_path):
    folder = saved(checkpoints(tmp_path), 7, *trained(seed=0, updates=1))
    assert folder.name == "step-00000007"
    assert json.loads((folder / "training.json").read_text()) == {"step": 7, "seed": 1}
