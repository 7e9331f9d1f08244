"""The recipe's model and processor, by name or from scratch; nothing here needs a network."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any

import torch
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from m3w.model import Flamingo, FlamingoProcessor
from m3w.model.checkpoint import load_vision_encoder
from m3w.trainer.checkpoint.output import Output
from m3w.trainer.data.batch_slots import SampleForm
from m3w.trainer.data.images import PixelFormat
from m3w.trainer.data.sequences import SampleReader
from m3w.trainer.data.windows import SpecialTokens
from m3w.trainer.recipe import Backbone, DataRecipe, ModelRecipe, TokenizerSource
from m3w.trainer.setup.language_pretraining import pretrain_language_model, token_rows
from m3w.trainer.setup.tokenizer import Tokenize, dataset_texts, train_tokenizer
from m3w.trainer.setup.vision_pretraining import named_pictures, pretrain_vision_encoder

log = logging.getLogger(__name__)

PAPER_IMAGE_SIZE = 320
"""Pixels (arXiv 2204.14198, appendix A.3.1), for encoders that take any size."""

HALVES = (0.5, 0.5, 0.5)


def make_processor(recipe: ModelRecipe, reader: SampleReader, output: Output) -> FlamingoProcessor:
    """The training's processor; the first rank makes it, once, from the dataset's text if the recipe says so."""
    folder = output.folder / "processor"
    if output.ranks.first and not folder.exists():
        partial = folder.with_name(f".partial-{folder.name}")
        _new_processor(recipe, reader).save_pretrained(partial)
        partial.rename(folder)
    output.share()
    processor: FlamingoProcessor = FlamingoProcessor.from_pretrained(folder)
    return processor


def _new_processor(recipe: ModelRecipe, reader: SampleReader) -> FlamingoProcessor:
    """With the mean and deviation that a trained vision encoder has learnt to expect; else one half of each."""
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
    recipe: ModelRecipe, reader: SampleReader, form: SampleForm, vocabulary: int, output: Output
) -> PreTrainedModel | str:
    """The recipe's vision encoder, or the name of it. One to pretrain is pretrained by the first rank, once, and kept
    in `vision_encoder`; one from scratch is drawn from torch's generator."""
    folder = output.folder / "vision_encoder"
    backbone, pretraining = recipe.vision_encoder, recipe.pretraining
    if backbone.pretrained is not None:
        return backbone.pretrained
    encoder = AutoModel.from_config(new_config(backbone.config or {}))
    if pretraining is None:
        return encoder
    if output.ranks.first and not folder.exists():
        pictures = named_pictures(reader, form, vocabulary)
        for epoch, loss in enumerate(pretrain_vision_encoder(encoder, pictures, pretraining), 1):
            log.info("pretraining of the vision encoder, epoch %d of %d: loss %.4g", epoch, pretraining.epochs, loss)
        partial = folder.with_name(f".partial-{folder.name}")
        encoder.save_pretrained(partial)
        partial.rename(folder)
    output.share()
    return AutoModel.from_pretrained(folder)


def pretrained_language_model(
    recipe: ModelRecipe,
    reader: SampleReader,
    form: SampleForm,
    processor: FlamingoProcessor,
    output: Output,
) -> PreTrainedModel | None:
    """The recipe's language model from scratch, pretrained by the first rank, once, and kept in `language_model`; None
    if the recipe has no `language_pretraining`."""
    folder = output.folder / "language_model"
    pretraining = recipe.language_pretraining
    if pretraining is None:
        return None
    if output.ranks.first and not folder.exists():
        model = AutoModelForCausalLM.from_config(_language_config(recipe.language_model, processor))
        rows = token_rows(reader, form, form.tokens)
        for step, loss in pretrain_language_model(model, rows, pretraining):
            log.info("pretraining of the language model, step %d of %d: loss %.4g", step, pretraining.steps, loss)
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
    """The Flamingo of the recipe: its new parts, and a language model from scratch, drawn from torch's generator.

    With a language model on the meta device the new parts are there too: trainer/setup/sharded_loading.py fills them.
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
    """The name of a trained one, or a new one whose vocabulary is the tokenizer's unless the recipe says otherwise."""
    if backbone.pretrained is not None:
        return backbone.pretrained
    return AutoModelForCausalLM.from_config(_language_config(backbone, processor))


def _language_config(backbone: Backbone, processor: FlamingoProcessor) -> Any:
    tokenizer = processor.tokenizer
    known = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return new_config({**known, **(backbone.config or {})})


def new_config(fields: dict[str, Any]) -> Any:
    """The transformers configuration with these `fields`, one of which is `model_type`."""
    fields = dict(fields)
    return AutoConfig.for_model(fields.pop("model_type"), **fields)


def open_gates(model: Flamingo, alpha: float) -> None:
    """Sets every gate's alpha."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("_gate"):
                parameter.fill_(alpha)


def sample_form(processor: FlamingoProcessor, recipe: DataRecipe) -> SampleForm:
    """How sequences become samples for the processor's model."""
    return SampleForm(
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
    """Ids of the tokens that mark where things stand."""
    tokenizer = processor.tokenizer
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no end-of-text token, so documents could not end; give another tokenizer")
    return SpecialTokens(
        image=processor.image_token_id,
        end_of_chunk=processor.end_of_chunk_token_id,
        end_of_text=tokenizer.eos_token_id,
        beginning_of_text=tokenizer.bos_token_id,
    )


def pixel_format(processor: FlamingoProcessor) -> PixelFormat:
    """What pixels the processor's model takes."""
    (red, green, blue), (red_std, green_std, blue_std) = processor.image_mean, processor.image_std
    return PixelFormat(size=processor.image_size, mean=(red, green, blue), std=(red_std, green_std, blue_std))
