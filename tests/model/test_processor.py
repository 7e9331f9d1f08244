"""Text with tags and pictures to what the model takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from model_families import flamingo
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoProcessor, PreTrainedTokenizerFast

from m3w.model import FlamingoProcessor

WORDS = {"a": 0, "cat": 1, "<unk>": 2, "</s>": 3, "dog": 4}
RED = Image.new("RGB", (40, 20), (255, 0, 0))


@pytest.fixture
def processor() -> FlamingoProcessor:
    words = Tokenizer(models.WordLevel(WORDS, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>", unk_token="<unk>")
    return FlamingoProcessor(tokenizer, image_size=8, image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.25, 0.25])


def test_new_tokens_get_numbers_behind_the_vocabulary(processor: FlamingoProcessor) -> None:
    assert (processor.image_token_id, processor.end_of_chunk_token_id) == (5, 6)
    given = processor("a<image>cat<|endofchunk|>", [RED])
    assert given["input_ids"].tolist() == [[0, 5, 1, 6]]


def test_a_picture_keeps_its_aspect_and_is_padded_with_the_mean(processor: FlamingoProcessor) -> None:
    pixels = processor.pixels(RED)
    assert pixels.shape == (1, 3, 8, 8)
    assert (pixels[0, :, :2] == 0).all() and (pixels[0, :, 6:] == 0).all()
    assert pixels[0, :, 4, 4].tolist() == [1.0, -2.0, -2.0]


def test_images_are_packed_in_the_order_of_their_tags(processor: FlamingoProcessor) -> None:
    pictures = [Image.new("RGB", (8, 8), (shade, shade, shade)) for shade in (0, 100, 200)]
    given = processor(["<image> a", "a cat dog", "<image><image>"], [pictures[:1], [], pictures[1:]])
    assert given["image_counts"].tolist() == [1, 0, 2]
    assert given["pixel_values"].shape == (3, 1, 3, 8, 8)
    assert given["pixel_values"][:, 0, 0, 0, 0].tolist() == pytest.approx([-1.0, 100 / 127.5 - 1, 200 / 127.5 - 1])
    assert given["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 0]]


def test_a_list_of_frames_is_a_video(processor: FlamingoProcessor) -> None:
    frames = [np.full((4, 4, 3), shade, np.uint8) for shade in (0, 255)]
    assert processor("<image>", [frames])["pixel_values"].shape == (1, 2, 3, 8, 8)
    with pytest.raises(ValueError, match=r"the images have \[2, 1\] frames"):
        processor("<image><image>", [frames, RED])
    with pytest.raises(ValueError, match="a video has 0 frames"):
        processor("<image>", [[]])


@pytest.mark.parametrize(("text", "images"), [("<image> a", []), ("a", [RED]), ("<image>", [RED, RED])])
def test_tags_and_pictures_must_be_as_many(processor: FlamingoProcessor, text: str, images: list[Image.Image]) -> None:
    with pytest.raises(ValueError, match=f"text 0 has {text.count('<image>')} <image> tags and {len(images)} images"):
        processor(text, images)
    with pytest.raises(ValueError, match="there are 2 texts and 1 lists of images"):
        processor(["a", "a"], [[RED]])


def test_a_saved_processor_comes_back_the_same(processor: FlamingoProcessor, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    again = FlamingoProcessor.from_pretrained(tmp_path)
    call = (["<image> a", "cat dog a"], [[RED], []])
    assert all(torch.equal(again(*call)[key], value) for key, value in processor(*call).items())
    flamingo("llama").save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert isinstance(AutoProcessor.from_pretrained(tmp_path), FlamingoProcessor)


def test_the_model_takes_what_the_processor_gives(processor: FlamingoProcessor) -> None:
    processor.image_size = 28
    model = flamingo("llama", image_token_id=5, end_of_chunk_token_id=6)  # rows inside the language model's matrix
    given = processor(["a <image> cat", "dog"], [[RED], []], padding_side="left")
    answer = model.generate(**given, max_new_tokens=3)
    assert processor.batch_decode(answer, skip_special_tokens=True)
    assert model(**given).logits.shape == (2, 3, 40)
