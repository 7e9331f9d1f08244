"""All that runs a model gives it the same pixels and token ids."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image

from m3w.model import FlamingoProcessor
from m3w.trainer.evaluate.inputs import Chunk, PixelCache, Prompt, batch_rows
from m3w.trainer.evaluate.loaded_model import LoadedModel, load_model
from m3w.trainer.evaluate.tasks.source import Media
from m3w.trainer.generate import picture_row


@pytest.fixture(scope="module")
def loaded(checkpoint: Path) -> LoadedModel:
    return load_model(checkpoint)


@pytest.mark.parametrize("size", [(32, 32), (32, 20), (7, 32)])
def test_a_prompt_gives_what_the_processor_gives_for_its_text(
    loaded: LoadedModel, size: tuple[int, int], tmp_path: Path
) -> None:
    """Of a picture that needs no scaling; larger ones are scaled while they are decoded."""
    picture = Image.radial_gradient("L").resize(size).convert("RGB")
    picture.save(tmp_path / "a.png")
    prompt = Prompt((Chunk(Media(path=str(tmp_path / "a.png")), "Output: a cat"), Chunk(None, "Output:")))
    row = loaded.row(prompt, PixelCache(loaded.processor, frames=2).pixels)
    ours = batch_rows([row], loaded.padding, torch.device("cpu")).arguments()
    theirs = loaded.processor(prompt.to_text(), [picture])
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_picture_in_memory_gives_what_its_file_gives(loaded: LoadedModel, tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").save(file, "JPEG")
    (tmp_path / "a.jpg").write_bytes(file.getvalue())
    prompt = Prompt((Chunk(Media(path=str(tmp_path / "a.jpg")), "Output:"),), starts_with_end_of_chunk=True)
    from_file = loaded.row(prompt, PixelCache(loaded.processor, frames=2).pixels)
    in_memory = picture_row(loaded, file.getvalue(), "Output:")
    assert in_memory.ids == from_file.ids and torch.equal(in_memory.pixels[0], from_file.pixels[0])


def test_pictures_of_different_numbers_of_frames_are_an_error() -> None:
    with pytest.raises(ValueError, match="sample frames alike"):
        FlamingoProcessor.stack([torch.zeros(1, 3, 8, 8), torch.zeros(2, 3, 8, 8)])
