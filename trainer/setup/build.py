"""The recipe's model and processor: backbones by name or folder, or from scratch."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any

import torch
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from m3w.model import Flamingo, FlamingoProcessor
from m3w.model.checkpoint import load_vision_encoder
from m3w.trainer.checkpoint.output import Output
from m3w.trainer.data.batch_slots import SampleFormat
from m3w.trainer.data.images import PixelFormat
from m3w.trainer.data.sequences import SampleReader
from m3w.trainer.data.windows import SpecialTokens
from m3w.trainer.recipe import Backbone, DataRecipe, ModelRecipe, TokenizerSource
from m3w.trainer.setup.language_pretraining import pretrain_language_model, token_rows
from m3w.trainer.setup.tokenizer import Tokenize, dataset_texts, train_tokenizer
from m3w.trainer.setup.vision_pretraining import labelled_pictures, pretrain_vision_encoder

log = logging.getLogger(__name__)

PAPER_IMAGE_SIZE = 320
"""Pixels (arXiv 2204.14198, appendix A.3.1), for encoders that accept any size."""

HALVES = (0.5, 0.5, 0.5)


def make_processor(recipe: ModelRecipe, reader: SampleReader, output: Output) -> FlamingoProcessor:
    """The training's processor, kept in `processor`. The first rank makes it once, with a new tokenizer if asked to."""
    folder = output.folder / "processor"
    if output.ranks.first and not folder.exists():
        partial = folder.with_name(f".partial-{folder.name}")
        _new_processor(recipe, reader).save_pretrained(partial)
        partial.rename(folder)
    output.share()
    processor: FlamingoProcessor = FlamingoProcessor.from_pretrained(folder)
    return processor


def _new_processor(recipe: ModelRecipe, reader: SampleReader) -> FlamingoProcessor:
    """With the image mean and deviation of a pretrained vision encoder; 0.5 for one from scratch."""
    encoder = recipe.vision_encoder
    tokenizer = _tokenizer(recipe.tokenizer, reader)
    if encoder.pretrained is None:
        size = recipe.image_size or int((encoder.config or {}).get("image_size", PAPER_IMAGE_SIZE))
        return FlamingoProcessor(tokenizer, image_size=size, image_mean=HALVES, image_std=HALVES)
    images = AutoImageProcessor.from_pretrained(encoder.pretrained)
    config = AutoConfig.from_pretrained(encoder.pretrained)
    known = getattr(getattr(config, "vision_config", config), "image_size", PAPER_IMAGE_SIZE)
    size = recipe.image_size or int(known)
    return FlamingoProcessor(tokenizer, image_size=size, image_mean=images.image_mean, image_std=images.image_std)


def _tokenizer(source: TokenizerSource, reader: SampleReader) -> Any:
    if source.pretrained is not None:
        return AutoTokenizer.from_pretrained(source.pretrained)
    assert source.vocabulary is not None
    return train_tokenizer(dataset_texts(reader), source.vocabulary)


def make_vision_encoder(
    recipe: ModelRecipe, reader: SampleReader, sample_format: SampleFormat, vocabulary: int, output: Output
) -> PreTrainedModel | str:
    """The recipe's vision encoder, or its name if it is a published one.

    One from scratch is initialised from torch's generator. With `pretraining`, the first rank pretrains it once and
    keeps it in `vision_encoder`.
    """
    folder = output.folder / "vision_encoder"
    backbone, pretraining = recipe.vision_encoder, recipe.pretraining
    if backbone.pretrained is not None:
        return backbone.pretrained
    encoder = AutoModel.from_config(new_config(backbone.config or {}))
    if pretraining is None:
        return encoder
    if output.ranks.first and not folder.exists():
        pictures = labelled_pictures(reader, sample_format, vocabulary)
        for epoch, loss in enumerate(pretrain_vision_encoder(encoder, pictures, pretraining), 1):
            log.info("vision encoder pretraining, epoch %d of %d: loss %.4g", epoch, pretraining.epochs, loss)
        partial = folder.with_name(f".partial-{folder.name}")
        encoder.save_pretrained(partial)
        partial.rename(folder)
    output.share()
    return AutoModel.from_pretrained(folder)


def pretrained_language_model(
    recipe: ModelRecipe,
    reader: SampleReader,
    sample_format: SampleFormat,
    processor: FlamingoProcessor,
    output: Output,
) -> PreTrainedModel | None:
    """The recipe's language model from scratch, pretrained; None if the recipe has no `language_pretraining`.

    The first rank pretrains it once and keeps it in `language_model`.
    """
    folder = output.folder / "language_model"
    pretraining = recipe.language_pretraining
    if pretraining is None:
        return None
    if output.ranks.first and not folder.exists():
        model = AutoModelForCausalLM.from_config(_language_config(recipe.language_model, processor))
        rows = token_rows(reader, sample_format, sample_format.tokens)
        for step, loss in pretrain_language_model(model, rows, pretraining):
            log.info("language model pretraining, step %d of %d: loss %.4g", step, pretraining.steps, loss)
        partial = folder.with_name(f".partial-{folder.name}")
        model.save_pretrained(partial)
        partial.rename(folder)
    output.share()
    return AutoModelForCausalLM.from_pretrained(folder)


def build_model(
    recipe: ModelRecipe,
    processor: FlamingoProcessor,
    vision_encoder: PreTrainedModel | str,
    language_model: PreTrainedModel | None = None,
) -> Flamingo:
    """The Flamingo of the recipe. New parts and a language model from scratch are initialised from torch's generator.

    With a language model on the meta device the new parts are on it, too; trainer/setup/sharded_loading.py fills them.
    """
    if isinstance(vision_encoder, str):
        vision_encoder, names = load_vision_encoder(vision_encoder), {"vision_encoder_name": vision_encoder}
    else:
        names = {}
    on_meta = language_model is not None and language_model.device.type == "meta"
    if on_meta:
        names["language_model_name"] = str(recipe.language_model.pretrained)
    architecture = {name: value for name, value in recipe.architecture.model_dump().items() if value is not None}
    special = special_tokens(processor)
    with torch.device("meta") if on_meta else nullcontext():
        model = Flamingo.from_backbones(
            language_model=language_model or _language_model(recipe.language_model, processor),
            vision_encoder=vision_encoder,
            freeze_language_model=recipe.language_model.frozen,
            freeze_vision_encoder=recipe.vision_encoder.frozen,
            image_token_id=special.image,
            end_of_chunk_token_id=special.end_of_chunk,
            **architecture,
            **names,
        )
    if recipe.open_gates:
        open_gates(model, recipe.open_gates)
    return model


def _language_model(backbone: Backbone, processor: FlamingoProcessor) -> Any:
    """The name of a published one, or a new one with the tokenizer's vocabulary unless the recipe says otherwise."""
    if backbone.pretrained is not None:
        return backbone.pretrained
    return AutoModelForCausalLM.from_config(_language_config(backbone, processor))


def _language_config(backbone: Backbone, processor: FlamingoProcessor) -> Any:
    tokenizer = processor.tokenizer
    from_tokenizer = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return new_config({**from_tokenizer, **(backbone.config or {})})


def new_config(fields: dict[str, Any]) -> Any:
    """The transformers configuration with these `fields`, one of which is `model_type`."""
    fields = dict(fields)
    return AutoConfig.for_model(fields.pop("model_type"), **fields)


def open_gates(model: Flamingo, alpha: float) -> None:
    """Sets alpha of every gate."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("_gate"):
                parameter.fill_(alpha)


def make_sample_format(processor: FlamingoProcessor, recipe: DataRecipe) -> SampleFormat:
    """How the sequences of the dataset become samples for the processor's model."""
    return SampleFormat(
        tokenize=Tokenize(processor.tokenizer),
        special=special_tokens(processor),
        pixels=pixel_format(processor),
        padding=processor.tokenizer.pad_token_id,
        tokens=recipe.tokens,
        images=recipe.images,
        p_next=recipe.p_next,
        start_at_image=recipe.start_at_image,
        flip=recipe.flip,
        colour=recipe.colour,
    )


def special_tokens(processor: FlamingoProcessor) -> SpecialTokens:
    """The special token ids of the processor. Raises ValueError if its tokenizer has no end-of-text token."""
    tokenizer = processor.tokenizer
    if tokenizer.eos_token_id is None:
        raise ValueError(
            "the tokenizer has no end-of-text token, so the end of a document could not be marked; "
            "use another tokenizer"
        )
    return SpecialTokens(
        image=processor.image_token_id,
        end_of_chunk=processor.end_of_chunk_token_id,
        end_of_text=tokenizer.eos_token_id,
        beginning_of_text=tokenizer.bos_token_id,
    )


def pixel_format(processor: FlamingoProcessor) -> PixelFormat:
    """The pixels that the processor's model takes."""
    (red, green, blue), (red_std, green_std, blue_std) = processor.image_mean, processor.image_std
    return PixelFormat(size=processor.image_size, mean=(red, green, blue), std=(red_std, green_std, blue_std))
