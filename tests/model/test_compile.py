"""torch.compile sees the blocks, and the whole forward, as one graph each."""

from __future__ import annotations

import pytest
import torch
from model_families import IMAGE, flamingo, pictures

from m3w.model import Flamingo

IDS = torch.tensor([[5, IMAGE, 6, 7, IMAGE, 8, 9], [3, 4, 5, IMAGE, 6, 7, IMAGE + 1]])
COUNTS = torch.tensor([2, 1])
CALL = (IDS, torch.ones_like(IDS), pictures(3), COUNTS, IDS)


@pytest.fixture(autouse=True)
def fresh() -> None:
    torch.compiler.reset()


def breaks(model: Flamingo, *call: torch.Tensor) -> int:
    """Graph breaks of a whole forward."""
    return int(torch._dynamo.explain(model)(*call).graph_break_count)


@pytest.mark.parametrize("family", ["llama", "mpt"])
def test_the_whole_forward_is_one_graph(family: str) -> None:
    assert breaks(flamingo(family).train(), *CALL) == 0


def test_wrapped_blocks_are_one_graph_and_are_not_compiled_again_for_other_layouts() -> None:
    model = flamingo("llama").train()
    expected = model(*CALL).loss
    graphs = []

    def counting(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    for layer in model.language_model.model.layers:
        layer.compile(backend=counting, fullgraph=True)
    torch.testing.assert_close(model(*CALL).loss, expected)
    before = len(graphs)
    other = IDS.flip(1).contiguous()  # as many images, elsewhere
    model(other, torch.ones_like(other), pictures(3), COUNTS, other).loss.backward()
    assert len(graphs) == before <= 3


@pytest.mark.slow
def test_compiled_and_plain_give_the_same_loss_and_gradients() -> None:
    model = flamingo("llama").train()
    plain = model(*CALL).loss
    plain.backward()
    expected = [parameter.grad.clone() for parameter in model.trainable_parameters()]
    model.zero_grad()
    compiled = torch.compile(model)(*CALL).loss
    compiled.backward()
    torch.testing.assert_close(compiled, plain)
    for parameter, gradient in zip(model.trainable_parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-5, rtol=1e-4)
