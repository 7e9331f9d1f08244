"""Loading and saving: a checkpoint holds everything, or the trained parameters and the names of the frozen
backbones."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedModel
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, cached_file
from transformers.utils.hub import get_checkpoint_shard_files

from m3w.model.config import FlamingoConfig

HUB_ARGUMENTS = ("cache_dir", "force_download", "local_files_only", "token", "revision", "subfolder")


def load_language_model(name: str, **kwargs: Any) -> PreTrainedModel:
    """The decoder with its head, by name or folder."""
    return AutoModelForCausalLM.from_pretrained(name, **kwargs)


def load_vision_encoder(name: str, **kwargs: Any) -> PreTrainedModel:
    """The vision encoder by name or folder; for a model of images and texts (CLIP, SigLIP) its vision part."""
    config = AutoConfig.from_pretrained(name)
    return AutoModel.from_pretrained(name, config=getattr(config, "vision_config", config), **kwargs)


class FlamingoCheckpoint:
    """`from_pretrained` and `save_pretrained` of a Flamingo."""

    config: FlamingoConfig

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *args: Any,
        language_model: PreTrainedModel | str | None = None,
        vision_encoder: PreTrainedModel | str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Load a saved model. Backbones that it lacks are loaded by the names in its configuration, or as given
        here."""
        hub = {key: kwargs[key] for key in HUB_ARGUMENTS if key in kwargs}
        config = kwargs.get("config")
        if not isinstance(config, FlamingoConfig):
            config = FlamingoConfig.from_pretrained(name, **hub)
        if config.checkpoint_holds == "trained":
            dtype = {key: kwargs[key] for key in ("dtype",) if key in kwargs}
            lm = _backbone(language_model or config.language_model_name, "language_model", load_language_model, dtype)
            vision = _backbone(
                vision_encoder or config.vision_encoder_name, "vision_encoder", load_vision_encoder, dtype
            )
            config = deepcopy(config)
            config.checkpoint_holds = "everything"  # as it is in memory
            model: Any = cls(config, lm, vision)  # type: ignore[call-arg]
            load_trained(model, read_weights(str(name), hub))
            return model.to(dtype.get("dtype")).eval() if dtype else model.eval()
        loaded = super().from_pretrained(name, *args, **kwargs)  # type: ignore[misc]
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        freeze = model.config.freeze_language_model, model.config.freeze_vision_encoder
        model.set_frozen(language_model=freeze[0], vision_encoder=freeze[1])
        return loaded

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        trained_only: bool = False,
        state_dict: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Save to a folder, as safetensors. With `trained_only` frozen backbones are left out.

        Raises ValueError if a frozen backbone has no name to load it by.
        """
        if not trained_only:
            super().save_pretrained(save_directory, state_dict=state_dict, **kwargs)  # type: ignore[misc]
            return
        for frozen, field in (
            (self.config.freeze_language_model, "language_model_name"),
            (self.config.freeze_vision_encoder, "vision_encoder_name"),
        ):
            if frozen and not getattr(self.config, field):
                raise ValueError(
                    f"config.{field} is {getattr(self.config, field)!r}, so a checkpoint without that frozen model "
                    "could not be loaded; set it to a name or folder, or save everything (trained_only=False)"
                )
        weights = self.state_dict() if state_dict is None else state_dict  # type: ignore[attr-defined]
        trained = {key: value for key, value in weights.items() if self.is_trained(key)}
        self.config.checkpoint_holds = "trained"
        try:
            super().save_pretrained(save_directory, state_dict=trained, **kwargs)  # type: ignore[misc]
        finally:
            self.config.checkpoint_holds = "everything"

    def is_trained(self, key: str) -> bool:
        """Whether the tensor `key` belongs to a new part or to a backbone that is not frozen."""
        if key.startswith("vision_encoder."):
            return not self.config.freeze_vision_encoder
        if key.startswith("language_model."):
            return ".cross_attention." in key or not self.config.freeze_language_model
        return True


def read_weights(name: str, hub: dict[str, Any]) -> dict[str, Tensor]:
    """All tensors of a safetensors checkpoint, in one file or in shards."""
    single = cached_file(name, SAFE_WEIGHTS_NAME, _raise_exceptions_for_missing_entries=False, **hub)
    if single is not None:
        return load_file(single)
    index = cached_file(name, SAFE_WEIGHTS_INDEX_NAME, **hub)
    shards, _ = get_checkpoint_shard_files(name, index, **hub)
    return {key: value for shard in shards for key, value in load_file(shard).items()}


def load_trained(model: Any, weights: dict[str, Tensor]) -> None:
    """Load `weights` into the model. Raises ValueError unless they are exactly the trained tensors."""
    missing, unknown = model.load_state_dict(weights, strict=False)
    lost = [key for key in missing if model.is_trained(key) and key not in model.all_tied_weights_keys]
    if lost or unknown:
        raise ValueError(
            f"the checkpoint lacks {len(lost)} tensors of this model {lost[:3]} and has {len(unknown)} "
            f"unknown ones {unknown[:3]}; it was saved from another configuration"
        )


def _backbone(given: PreTrainedModel | str | None, argument: str, load: Any, dtype: dict[str, Any]) -> PreTrainedModel:
    if given is None:
        raise ValueError(f"the checkpoint holds no {argument} and names none, so it is incomplete; pass {argument}=...")
    return load(given, **dtype) if isinstance(given, str) else given
