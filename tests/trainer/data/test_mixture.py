"""Steps of several sources: all at each step, or in turns; a resume at any step goes on as if there had been no stop."""

from __future__ import annotations

import pytest

from m3w.trainer.data.batch_slots import BatchSlotDataset, SampleFormat
from m3w.trainer.data.images import PixelFormat
from m3w.trainer.data.mixture import Mixture, Source
from m3w.trainer.data.order import SampleOrder
from m3w.trainer.data.sequences import SequenceReader
from m3w.trainer.data.windows import SpecialTokens

FORMAT = SampleFormat(
    tokenize=lambda text: [ord(letter) for letter in text],
    special=SpecialTokens(image=1, end_of_chunk=2, end_of_text=3),
    pixels=PixelFormat(size=16, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    padding=3,
    tokens=16,
)


def mixture(folder, *, take_turns: bool, sources: int = 3) -> Mixture:
    reader = SequenceReader(str(folder), "train")
    found = []
    for number in range(sources):
        size = number + 1
        order = SampleOrder(reader.shard_sizes, seed=number)
        dataset = BatchSlotDataset(reader, order, FORMAT, batch_size=size, batch_slots=range(size), micro_batch_size=2)
        found.append(Source(f"source-{number}", 1.0, dataset))
    return Mixture(found, take_turns=take_turns)


def steps(made: Mixture, first: int, last: int) -> list[dict[str, list[str]]]:
    return [
        {share.name: [key for batch in share.batches for key in batch.keys] for share in shares}
        for shares in made.steps(first, last, workers=0)
    ]


def test_every_source_is_part_of_every_step(shapes_dataset):
    found = steps(mixture(shapes_dataset, take_turns=False), 0, 4)
    assert all(
        {name: len(keys) for name, keys in step.items()} == {"source-0": 1, "source-1": 2, "source-2": 3}
        for step in found
    )


def test_in_turns_each_step_is_of_one_source_and_none_of_its_samples_is_passed_over(shapes_dataset):
    turns = steps(mixture(shapes_dataset, take_turns=True), 0, 9)
    assert [list(step) for step in turns] == [[f"source-{step % 3}"] for step in range(9)]
    together = steps(mixture(shapes_dataset, take_turns=False), 0, 3)
    for number in range(3):
        name = f"source-{number}"
        assert [step[name] for step in turns if name in step] == [step[name] for step in together]


@pytest.mark.parametrize("take_turns", [False, True])
def test_a_stop_at_any_step_changes_nothing(shapes_dataset, take_turns):
    made = mixture(shapes_dataset, take_turns=take_turns)
    whole = steps(made, 0, 20)
    for stop in range(20):
        assert steps(made, stop, 20) == whole[stop:]
