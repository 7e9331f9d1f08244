"""Export of the trained model to a folder that `from_pretrained` reads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from m3w.model import Flamingo
from m3w.trainer.distributed.parallelize import is_sharded
from m3w.trainer.distributed.ranks import Ranks


def export_model(model: Flamingo, processor: Any, folder: Path, ranks: Ranks) -> None:
    """Writes model and processor to `folder`, replacing it at the end.

    Every rank must call it; the first one writes. The tensors of a sharded model are gathered on the CPU: only the
    trained ones, if the frozen backbones have names by which `from_pretrained` finds them.
    """
    trained_only, state = False, None
    if is_sharded(model):
        trained_only = _backbones_have_names(model)
        options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=trained_only)
        state = get_model_state_dict(model, options=options)
    if ranks.first:
        _write(model, processor, folder, state, trained_only=trained_only)
    ranks.wait()


def _backbones_have_names(model: Flamingo) -> bool:
    config = model.config
    named = (config.language_model_name or not config.freeze_language_model, config.vision_encoder_name)
    return bool(named[0] and (named[1] or not config.freeze_vision_encoder))


def _write(model: Flamingo, processor: Any, folder: Path, state: Any, *, trained_only: bool) -> None:
    partial = folder.with_name(f".partial-{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial, state_dict=state, trained_only=trained_only)
    _load_as_float32(partial / "config.json")
    processor.save_pretrained(partial)
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)


def _load_as_float32(config: Path) -> None:
    """transformers stores the type of the first parameter, which may be frozen and bf16, and loads all parameters in
    it."""
    fields = json.loads(config.read_text(encoding="utf-8"))
    fields["dtype"] = "float32"
    config.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
