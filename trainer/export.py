"""The finished model as a folder that `from_pretrained` reads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from torch import nn


def export_model(model: nn.Module, processor: Any, folder: Path) -> None:
    """Writes model and processor to `folder`, replacing what is there; a reader sees the old or the new."""
    partial = folder.with_name(f".partial-{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)  # type: ignore[operator]  # a Flamingo
    processor.save_pretrained(partial)
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)
