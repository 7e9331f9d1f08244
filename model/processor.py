"""Text with `<image>` tags and pictures to what `Flamingo` takes.

Shapes: B rows, L tokens, N images or videos, T frames, S side of the square in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, BatchFeature, ProcessorMixin
from transformers.tokenization_utils_base import AddedToken

IMAGE_TOKEN = "<image>"
END_OF_CHUNK_TOKEN = "<|endofchunk|>"
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

Picture = Image.Image | np.ndarray[Any, Any]
"""RGB, or an array [height, width, 3] of 0 to 255."""


class FlamingoProcessor(ProcessorMixin):  # type: ignore[misc]
    """A tokenizer with the two new tokens, and the format of the pixels.

    A picture keeps its aspect: its longer side becomes `image_size`, and the square is filled with the mean colour,
    which is 0 once normalised (appendix A.3.1, 320 x 320). Raises ValueError where tags and pictures differ in number.
    """

    def __init__(
        self,
        tokenizer: Any = None,
        image_size: int = 320,
        image_mean: Sequence[float] = CLIP_MEAN,
        image_std: Sequence[float] = CLIP_STD,
        chat_template: str | None = None,
        **kwargs: Any,
    ) -> None:
        for token in (IMAGE_TOKEN, END_OF_CHUNK_TOKEN):
            if token not in tokenizer.get_vocab():
                tokenizer.add_tokens([AddedToken(token, special=True, normalized=False)], special_tokens=True)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or END_OF_CHUNK_TOKEN
        self.image_size, self.image_mean, self.image_std = int(image_size), list(image_mean), list(image_std)
        super().__init__(tokenizer, chat_template=chat_template)

    @classmethod
    def from_backbones(
        cls, *, language_model: str | None = None, vision_encoder: str, tokenizer: Any = None, **options: Any
    ) -> FlamingoProcessor:
        """The processor of two backbones, each by name or folder: its tokenizer, its image size, mean and deviation.

        A `tokenizer` that is given takes the place of the language model's.
        """
        tokenizer = tokenizer or AutoTokenizer.from_pretrained(language_model)
        return cls(tokenizer, **{**image_format(vision_encoder), **options})

    @property
    def image_token_id(self) -> int:
        """The number of `<image>`, for `FlamingoConfig`."""
        return int(self.tokenizer.convert_tokens_to_ids(IMAGE_TOKEN))

    @property
    def end_of_chunk_token_id(self) -> int:
        """The number of `<|endofchunk|>`, for `FlamingoConfig`."""
        return int(self.tokenizer.convert_tokens_to_ids(END_OF_CHUNK_TOKEN))

    def __call__(
        self,
        text: str | Sequence[str],
        images: Sequence[Any] | None = None,
        *,
        padding_side: str | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """input_ids [B, L], attention_mask, and with tags pixel_values [N, T, 3, S, S] and image_counts [B].

        `images` has a list for each text (for one text, just its list), an item for each of its tags: a picture,
        or a list of frames for a video. Further keywords are the tokenizer's (`max_length`, `truncation`, ...).
        """
        texts = [text] if isinstance(text, str) else list(text)
        rows = _rows(images, single=isinstance(text, str), texts=len(texts))
        for number, (words, row) in enumerate(zip(texts, rows, strict=True)):
            if words.count(IMAGE_TOKEN) != len(row):
                raise ValueError(
                    f"text {number} has {words.count(IMAGE_TOKEN)} {IMAGE_TOKEN} tags and {len(row)} images, so "
                    "they cannot be matched; give one image for each tag"
                )
        if padding_side is not None:
            kwargs["padding_side"] = padding_side
        data = dict(self.tokenizer(texts, **{"padding": True, "return_tensors": "pt", **kwargs}))
        data.pop("token_type_ids", None)
        packed = [self.pixels(item) for row in rows for item in row]
        if packed:
            data["pixel_values"] = self.stack(packed)
        data["image_counts"] = torch.tensor([len(row) for row in rows])
        return BatchFeature(data)

    def pixels(self, item: Picture | Sequence[Picture]) -> Tensor:
        """frames_T3SS of one picture (T = 1) or of a video's frames, normalised."""
        frames: Sequence[Any] = item if isinstance(item, list | tuple) else [item]
        if not frames:
            raise ValueError("a video has 0 frames, so nothing stands for its tag; give at least one")
        return torch.stack([self._frame(frame) for frame in frames])

    def _frame(self, picture: Picture) -> Tensor:
        picture = picture if isinstance(picture, Image.Image) else Image.fromarray(np.asarray(picture))
        picture, side = fit(picture.convert("RGB"), self.image_size), self.image_size
        width, height = picture.size
        values = np.asarray(picture, dtype=np.float32) / 255
        top, left = (side - height) // 2, (side - width) // 2
        mean, std = (torch.tensor(channels).view(3, 1, 1) for channels in (self.image_mean, self.image_std))
        square = torch.zeros(3, side, side)
        square[:, top : top + height, left : left + width] = (torch.from_numpy(values).permute(2, 0, 1) - mean) / std
        return square

    @staticmethod
    def stack(packed: Sequence[Tensor]) -> Tensor:
        """[N, T, 3, S, S] of N results of `pixels`. Raises ValueError if they differ in T."""
        frames = [len(item) for item in packed]
        if len(set(frames)) > 1:
            raise ValueError(
                f"the images have {frames} frames and one batch holds one number of them; sample frames alike"
            )
        return torch.stack(list(packed))

    @property
    def model_input_names(self) -> list[str]:
        """What `Flamingo.forward` takes of a processed batch."""
        return ["input_ids", "attention_mask", "pixel_values", "image_counts"]


def fit(picture: Image.Image, side: int) -> Image.Image:
    """The picture with its aspect kept and its longer side `side` pixels."""
    scale = side / max(picture.size)
    width, height = (max(1, round(length * scale)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def image_format(vision_encoder: str) -> dict[str, Any]:
    """`image_size`, `image_mean` and `image_std` of a vision encoder, by name or folder, as far as it says."""
    config = AutoConfig.from_pretrained(vision_encoder)
    config = getattr(config, "vision_config", config)
    if config.model_type == "timm_wrapper":
        trained = getattr(config, "pretrained_cfg", None) or {}
        size = trained.get("input_size", [None])[-1]
        found = {"image_size": size, "image_mean": trained.get("mean"), "image_std": trained.get("std")}
    else:
        images, size = AutoImageProcessor.from_pretrained(vision_encoder), getattr(config, "image_size", None)
        found = {"image_size": size, "image_mean": images.image_mean, "image_std": images.image_std}
    return {name: value for name, value in found.items() if value is not None}


def _rows(images: Sequence[Any] | None, *, single: bool, texts: int) -> list[Sequence[Any]]:
    if images is None:
        return [[] for _ in range(texts)]
    rows = [images] if single else list(images)
    if len(rows) != texts:
        raise ValueError(f"there are {texts} texts and {len(rows)} lists of images; give one list for each text")
    return rows
