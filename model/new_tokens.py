"""The two tokens that a language model lacks: `<image>` and `<|endofchunk|>`.

Their rows are separate parameters, so that the language model's matrices stay unchanged: frozen and, if tied, tied.

Shapes: B rows, L tokens, E width of embeddings, V columns of the language model's logits, C
with the new tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from m3w.model.config import FlamingoConfig

IMAGE, END_OF_CHUNK = 0, 1
"""Rows of the embedding."""


class NewTokens(nn.Module):
    """Input embeddings of both tokens and the output row of the end of chunk.

    `<image>` is never generated and has no output row. If its id lies within the language model's own matrix, its
    logit is what that matrix gives, else the lowest number of the type. New rows start at the mean of the old ones.
    """

    def __init__(self, config: FlamingoConfig, inputs: Any, outputs: Any) -> None:
        super().__init__()
        self.image_token_id = int(config.image_token_id)
        self.end_of_chunk_token_id = int(config.end_of_chunk_token_id)
        self.vocabulary = int(outputs.weight.shape[0])
        self.columns = max(self.vocabulary, self.image_token_id + 1, self.end_of_chunk_token_id + 1)
        self.embedding = nn.Parameter(_mean_row(inputs.weight).repeat(2, 1))
        self.output_row = nn.Parameter(_mean_row(outputs.weight))

    @property
    def image_has_logit(self) -> bool:
        """Whether `<image>` has a logit of its own."""
        return self.image_token_id < self.vocabulary

    def embed(self, input_ids_BL: Tensor, embedding: nn.Module) -> Tensor:
        """x_BLE: the language model's embeddings, and those of the new tokens."""
        is_image, is_end = input_ids_BL == self.image_token_id, input_ids_BL == self.end_of_chunk_token_id
        known_BL = input_ids_BL.masked_fill(is_image | is_end, 0)
        x_BLE = embedding(known_BL)
        new_2E = self.embedding.to(x_BLE.dtype)
        x_BLE = torch.where(is_image[..., None], new_2E[IMAGE], x_BLE)
        return torch.where(is_end[..., None], new_2E[END_OF_CHUNK], x_BLE)

    def extend_logits(self, head: nn.Module, inputs: tuple[Tensor, ...], logits_BLV: Tensor) -> Tensor:
        """logits_BLC; a forward hook of the language model's head, so that what follows the head applies to all
        columns."""
        end_BL1 = (inputs[0] @ self.output_row.to(inputs[0].dtype)[0, :, None]).to(logits_BLV.dtype)
        if self.end_of_chunk_token_id < self.vocabulary:
            logits_BLV[..., self.end_of_chunk_token_id] = end_BL1[
                ..., 0
            ]  # in place: only we hold the head's fresh output
        if self.columns == self.vocabulary:
            return logits_BLV
        lowest_BL1 = torch.full_like(end_BL1, torch.finfo(end_BL1.dtype).min)
        new = range(self.vocabulary, self.columns)
        return torch.cat(
            [logits_BLV, *(end_BL1 if i == self.end_of_chunk_token_id else lowest_BL1 for i in new)], dim=-1
        )

    def hide_unpredictable(self, logits_BLC: Tensor) -> Tensor:
        """logits_BLC, with the lowest number again in columns without a row: a softcap after the head brings them
        near 0."""
        for column in range(self.vocabulary, self.columns):
            if column != self.end_of_chunk_token_id:
                logits_BLC[..., column] = torch.finfo(logits_BLC.dtype).min
        return logits_BLC


def _mean_row(matrix: Tensor) -> Tensor:
    return matrix.detach().float().mean(dim=0, keepdim=True).to(matrix.dtype)


def attach(tokens: NewTokens, head: Any) -> None:
    """Hooks `tokens` to the output matrix `head`, to add their columns to its logits."""
    head.register_forward_hook(tokens.extend_logits)
