"""What is counted from shapes is what torch's counter sees in a real update."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

from m3w.model import Flamingo
from m3w.trainer.cost.flops import count_costs, peak_flops

SIDE, ROWS, TOKENS, LATENTS = 16, 2, 64, 4


def flamingo(frozen: bool) -> Flamingo:
    text = LlamaConfig(vocab_size=99, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=2)
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE, patch_size=8
    )
    text._attn_implementation = vision._attn_implementation = "eager"
    return Flamingo.from_backbones(
        language_model=LlamaForCausalLM(text),
        vision_encoder=CLIPVisionModel(vision),
        freeze_language_model=frozen,
        freeze_vision_encoder=True,
        cross_attention_interval=2,
        head_dim=16,
        resampler_layers=2,
        resampler_latents=LATENTS,
        resampler_heads=2,
        resampler_width=24,
        latent_width=20,
    ).train()


@pytest.mark.parametrize("frozen", [True, False])
def test_the_count_is_that_of_a_real_update(frozen):
    """But for attention to images, which is computed by tiles with some padding: within a hundredth."""
    model = flamingo(frozen)
    ids = torch.randint(0, 99, (ROWS, TOKENS))
    ids[:, 0] = model.config.image_token_id
    pixels = torch.randn(ROWS, 1, 3, SIDE, SIDE)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # fused attention is not counted
        model(ids, pixel_values=pixels, labels=ids).loss.backward()
    counted = count_costs(model, SIDE).of(
        padded_tokens=ROWS * TOKENS, squared_lengths=ROWS * TOKENS**2, images=ROWS, frames=ROWS
    )
    assert counted == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_a_frozen_language_model_costs_two_thirds_of_its_matrices():
    frozen, trained = (count_costs(flamingo(kind), SIDE) for kind in (True, False))
    matrices = 3 * (4 * 32 * 32 + 3 * 32 * 48) + 32 * 99
    assert trained.token - frozen.token == 2 * matrices


@pytest.mark.parametrize(
    ("name", "peak"),
    [("NVIDIA H100 80GB HBM3", 989e12), ("NVIDIA H100 PCIe", 756e12), ("NVIDIA A100-SXM4-80GB", 312e12), ("x", None)],
)
def test_what_a_gpu_can_do_is_known_by_its_name(name, peak):
    assert peak_flops(name) == peak
