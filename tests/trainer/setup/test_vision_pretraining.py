import pytest
import torch
from transformers import AutoConfig, AutoModel

from m3w.trainer.data.batch_slots import SampleFormat
from m3w.trainer.data.images import PixelFormat
from m3w.trainer.data.sequences import SequenceReader
from m3w.trainer.data.windows import SpecialTokens
from m3w.trainer.recipe import PretrainingRecipe
from m3w.trainer.setup.vision_pretraining import LabelledPictures, labelled_pictures, pretrain_vision_encoder, shifted

FORMAT = SampleFormat(
    tokenize=lambda text: [ord(letter) for letter in text],
    special=SpecialTokens(image=1, end_of_chunk=2, end_of_text=3),
    pixels=PixelFormat(size=16, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    padding=3,
)


def test_a_picture_is_named_by_the_text_behind_it_else_by_the_one_before(tmp_path, make_dataset, make_png):
    samples = [["a", make_png("red"), "b", make_png("blue")], [make_png()[:60], "d"], [make_png(), make_png(), "e"]]
    reader = SequenceReader(str(make_dataset(tmp_path, {"train": [samples]})), "train")
    pictures = labelled_pictures(reader, FORMAT, vocabulary=128)
    assert pictures.pixels.shape == (3, 3, 16, 16)
    assert ["".join(map(chr, row.nonzero().flatten().tolist())) for row in pictures.tokens] == ["b", "b", "e"]


def test_a_dataset_without_pictures_says_so(tmp_path, make_dataset):
    reader = SequenceReader(str(make_dataset(tmp_path, {"train": [[["text"]]]})), "train")
    with pytest.raises(ValueError, match="leave `pretraining` out"):
        labelled_pictures(reader, FORMAT, vocabulary=128)


def test_the_encoder_learns_to_tell_what_is_named_apart():
    torch.manual_seed(0)
    fields = {"embedding_size": 8, "hidden_sizes": [8], "depths": [1], "layer_type": "basic"}
    encoder = AutoModel.from_config(AutoConfig.for_model("resnet", **fields))
    bright = torch.arange(32) % 2
    pixels = (bright * 2.0 - 1).view(-1, 1, 1, 1) * torch.rand(32, 3, 16, 16)
    tokens = torch.stack([bright, 1 - bright, torch.ones(32)], dim=1).float()
    recipe = PretrainingRecipe(epochs=12, batch_size=8, learning_rate=0.01)
    losses = list(pretrain_vision_encoder(encoder, LabelledPictures(pixels, tokens), recipe))
    assert losses[0] > 1
    assert losses[-1] < 0.3


def test_moving_mirrors_and_shifts_but_loses_no_pixel():
    pixels = torch.arange(2 * 3 * 16 * 16, dtype=torch.float32).view(2, 3, 16, 16)
    changed = shifted(pixels, torch.Generator().manual_seed(0))
    assert changed.shape == pixels.shape
    assert not torch.equal(changed, pixels)
    for one, other in zip(pixels, changed, strict=True):
        assert torch.equal(one.flatten().sort().values, other.flatten().sort().values)
