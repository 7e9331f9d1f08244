"""What a checkpoint holds: everything, or what was trained plus the names of the frozen backbones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from transformers import PreTrainedModel

from model.config import FlamingoConfig


class FlamingoCheckpoint:
    """Saving and loading; mixed into `Flamingo`."""
