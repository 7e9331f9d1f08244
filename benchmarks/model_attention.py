"""Cross-attention to one image per token, three ways: the one in `model/phi.py`, and its alternatives.

tiles: tokens sorted by image, each tile against its image's visual tokens, no mask. dense: every token against every
visual token of its row, under a mask. gather: each token against a copy of its image's keys and values.

Queries are [rows, tokens, heads, head width], keys and values [images, visual tokens, heads, head width].
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch
from torch import Tensor

from m3w.model.cross_attention import AttentionMap, attend_one, with_null_image
from m3w.model.layers import attention
from m3w.model.phi import image_table, previous_image, tile_index

HEADS, HEAD_DIM, LATENTS = 8, 64, 64
Timer = Callable[[Callable[[], Tensor]], float]


def compare_ways(
    counts: tuple[int, ...], tokens: int, rounds: int, seconds: Timer, device_and_type: tuple[str, torch.dtype]
) -> dict[str, float]:
    """Milliseconds of forward and backward by way, medians of `rounds`, after checking that they agree."""
    torch.manual_seed(0)
    device, dtype = device_and_type
    q = torch.randn(len(counts), tokens, HEADS, HEAD_DIM, device=device, dtype=dtype, requires_grad=True)
    images = torch.randn(2, sum(counts), LATENTS, HEADS, HEAD_DIM, device=device, dtype=dtype)
    key, value = (x.clone().requires_grad_() for x in images.unbind())
    phi, table = _layout(counts, tokens, device)
    image = table.gather(1, phi)
    attention_map = AttentionMap(tile_index(image, sum(counts)), table, phi)
    ways: dict[str, Callable[[], Tensor]] = {
        "tiles": lambda: attend_one(q, with_null_image(key), with_null_image(value), attention_map),
        "dense": lambda: _dense(q, with_null_image(key), with_null_image(value), table, phi),
        "gather": lambda: _gather(q, with_null_image(key), with_null_image(value), image),
    }
    if tokens > 256:  # 2 x 2,048 x 64 x 512 numbers: 512 MiB in fp32, and as much again for the gradient
        del ways["gather"]
    expected = ways["tiles"]()
    for way in ways.values():
        torch.testing.assert_close(way(), expected, atol=2e-2 if dtype == torch.bfloat16 else 1e-4, rtol=1e-2)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            times[name].append(seconds(way) * 1e3)
    return {name: statistics.median(durations[1:]) for name, durations in times.items()}


def _layout(counts: tuple[int, ...], tokens: int, device: str) -> tuple[Tensor, Tensor]:
    is_image = torch.zeros(len(counts), tokens, dtype=torch.bool, device=device)
    for row, count in enumerate(counts):
        is_image[row, torch.arange(count) * (tokens // count)] = True
    return previous_image(is_image), image_table(torch.tensor(counts, device=device), sum(counts))


def _dense(q: Tensor, key: Tensor, value: Tensor, table: Tensor, phi: Tensor) -> Tensor:
    sees = phi[..., None] == torch.arange(table.shape[1], device=phi.device)
    mask = sees.repeat_interleave(key.shape[1], dim=2)
    return attention(q, key[table].flatten(1, 2), value[table].flatten(1, 2), mask)


def _gather(q: Tensor, key: Tensor, value: Tensor, image: Tensor) -> Tensor:
    one = q.flatten(0, 1).unsqueeze(1)
    flat = image.flatten()
    return attention(one, key[flat], value[flat]).view(*q.shape[:2], -1)
