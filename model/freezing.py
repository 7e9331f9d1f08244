"""What trains: the new parts, and a backbone where it was thawed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from m3w.model.config import FlamingoConfig

_Base: Any = object
"""At run time a plain mixin in front of transformers' classes, which have no types."""


class FlamingoFreezing(_Base):  # type: ignore[misc]
    """Freezing and thawing of a Flamingo's backbones."""

    config: FlamingoConfig
    language_model: Any
    vision_encoder: Any

    def set_frozen(self, *, language_model: bool | None = None, vision_encoder: bool | None = None) -> None:
        """Freeze or train the backbones, each as said; None leaves it. The new parts always train."""
        if language_model is not None:
            self.config.freeze_language_model = language_model
            for name, parameter in self.language_model.named_parameters():
                if ".cross_attention." not in name:
                    parameter.requires_grad_(not language_model)
        if vision_encoder is not None:
            self.config.freeze_vision_encoder = vision_encoder
            self.vision_encoder.requires_grad_(not vision_encoder)
        self.train(self.training)

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters that train, in a stable order."""
        return (parameter for parameter in self.parameters() if parameter.requires_grad)

    def train(self, mode: bool = True) -> Any:
        """As any module's; a frozen vision encoder stays in evaluation mode."""
        super().train(mode)
        if self.config.freeze_vision_encoder:
            self.vision_encoder.eval()
        return self
