import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from m3w.schemas.sequence import INDEX_SCHEMA
from m3w.trainer.data.batch_slots import BatchSlotDataset, SampleFormat, rank_batch_slots
from m3w.trainer.data.images import PixelFormat
from m3w.trainer.data.mixture import load_steps
from m3w.trainer.data.order import SampleOrder
from m3w.trainer.data.packing import Packing, fair_shares
from m3w.trainer.data.sequences import SequenceReader
from m3w.trainer.data.windows import IGNORED, SpecialTokens


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


FORMAT = SampleFormat(
    tokenize=letters,
    special=SpecialTokens(image=1, end_of_chunk=2, end_of_text=3),
    pixels=PixelFormat(size=16, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    padding=3,
    tokens=40,
    flip=True,
)


CPU = torch.device("cpu")


def slot_dataset(folder, *, batch_size=8, rank=0, ranks=1, micro_batch_size=3) -> BatchSlotDataset:
    reader = SequenceReader(str(folder), "train")
    return BatchSlotDataset(
        reader,
        SampleOrder(reader.shard_sizes, seed=4),
        FORMAT,
        batch_size=batch_size,
        batch_slots=rank_batch_slots(batch_size, rank, ranks),
        micro_batch_size=micro_batch_size,
    )


def step_keys(dataset: BatchSlotDataset, first: int, last: int, workers: int = 0) -> list[list[str]]:
    steps = load_steps(dataset, first_step=first, last_step=last, workers=workers)
    return [[key for batch in step for key in batch.keys] for step in steps]


def test_the_samples_of_a_step_are_the_same_on_any_number_of_ranks(shapes_dataset):
    whole = step_keys(slot_dataset(shapes_dataset), 0, 6)
    for ranks in (2, 4, 8):
        parts = [step_keys(slot_dataset(shapes_dataset, rank=rank, ranks=ranks), 0, 6) for rank in range(ranks)]
        assert [[key for part in parts for key in part[step]] for step in range(6)] == whole


def test_a_stop_at_each_of_100_steps_and_a_resume_on_other_ranks_change_nothing(shapes_dataset):
    whole = step_keys(slot_dataset(shapes_dataset), 0, 102)
    for stop in range(100):
        ranks = (1, 2, 4, 8)[stop % 4]
        parts = [
            step_keys(slot_dataset(shapes_dataset, rank=rank, ranks=ranks), stop, stop + 2) for rank in range(ranks)
        ]
        assert [[key for part in parts for key in part[step]] for step in range(2)] == whole[stop : stop + 2]


def test_the_number_of_loader_workers_changes_nothing(shapes_dataset):
    alone = list(load_steps(slot_dataset(shapes_dataset), first_step=1, last_step=4, workers=0))
    helped = list(load_steps(slot_dataset(shapes_dataset), first_step=1, last_step=4, workers=2))
    for ours, theirs in zip(alone, helped, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one.keys == other.keys
            assert torch.equal(one.input_ids, other.input_ids)
            assert torch.equal(one.pixel_values, other.pixel_values)


def test_ranks_that_do_not_divide_the_batch_are_an_error_that_says_what_to_do():
    with pytest.raises(ValueError, match=r"multiple of 3"):
        rank_batch_slots(8, 0, 3)


def test_a_batch_has_the_shapes_of_the_models_call(shapes_dataset):
    batch = slot_dataset(shapes_dataset, micro_batch_size=8)[0].to(CPU)
    images = int(batch.image_counts.sum())
    assert batch.input_ids.shape == batch.labels.shape == batch.phi.shape == batch.attention_mask.shape == (8, 40)
    assert batch.pixel_values.shape == (images, 1, 3, 16, 16)
    for row in range(8):
        tags = (batch.input_ids[row] == 1).sum()
        assert tags == batch.image_counts[row]
        assert batch.phi[row].max() == tags
    padded = batch.attention_mask == 0
    assert torch.equal(batch.labels[padded], torch.full_like(batch.labels[padded], IGNORED))


def test_image_i_of_the_batch_is_the_picture_of_the_ith_tag(tmp_path, make_dataset, make_png):
    """Pictures of one flat colour, each named by the letter after its tag (contract 8)."""
    colours = {"r": "red", "b": "blue", "g": "green"}
    orders = ["rbg", "gb", "brg", "g", "rr"]
    samples = [[node for letter in text for node in (make_png(colours[letter]), letter)] for text in orders]
    dataset = slot_dataset(make_dataset(tmp_path, {"train": [samples]}), batch_size=5, micro_batch_size=5)
    batch = dataset[0]
    tags = [(row, place) for row in range(5) for place in (batch.input_ids[row] == 1).nonzero().flatten().tolist()]
    letters_after = [chr(batch.input_ids[row, place + 1]) for row, place in tags]
    channel = {0: "r", 1: "g", 2: "b"}
    seen = [channel[int(picture[0, :, 6, 6].argmax())] for picture in batch.to(CPU).pixel_values]
    assert seen == letters_after
    assert len(set(letters_after)) == 3


def test_a_sample_with_a_broken_image_is_replaced_and_counted(tmp_path, make_dataset, make_png):
    broken = make_png()[:60]
    samples = [["good", make_png()], ["bad", broken], ["fine", make_png()]]
    dataset = slot_dataset(make_dataset(tmp_path, {"train": [samples]}), batch_size=3, micro_batch_size=3)
    batches = [dataset[item] for item in range(4)]
    assert all(batch.input_ids.shape == (3, 40) for batch in batches)
    assert all("train00000001-0000" not in batch.keys for batch in batches)
    assert all(batch.skipped["undecodable_image"] >= 1 for batch in batches)


def test_a_sample_without_json_is_replaced_and_counted(tmp_path, make_dataset, make_png):
    folder = make_dataset(tmp_path, {"train": [[["good", make_png()], ["bad", make_png()], ["fine", make_png()]]]})
    index = folder / "sequences" / "train-00000-of-00001.index.parquet"
    rows = pq.read_table(index).to_pylist()
    rows[1]["members"] = [member for member in rows[1]["members"] if member["suffix"] != "json"]
    pq.write_table(pa.Table.from_pylist(rows, schema=INDEX_SCHEMA), index)
    batches = [slot_dataset(folder, batch_size=3, micro_batch_size=3)[item] for item in range(4)]
    assert all(batch.input_ids.shape == (3, 40) for batch in batches)
    assert all("train00000001-0000" not in batch.keys for batch in batches)
    assert all(batch.skipped["unreadable_sample"] >= 1 for batch in batches)


def test_packed_rows_hold_the_samples_of_the_order_on_any_number_of_ranks(shapes_dataset):
    def keys(rank: int, ranks: int) -> list[list[str]]:
        reader = SequenceReader(str(shapes_dataset), "train")
        found = BatchSlotDataset(
            reader,
            SampleOrder(reader.shard_sizes, seed=4),
            FORMAT,
            batch_size=4,
            batch_slots=rank_batch_slots(4, rank, ranks),
            micro_batch_size=2,
            packing=Packing(documents=3, tokens=64),
        )
        return step_keys(found, 0, 3)

    whole = keys(0, 1)
    parts = [keys(rank, 2) for rank in range(2)]
    assert [[key for part in parts for key in part[step]] for step in range(3)] == whole
    assert [key for step in whole for key in step] == [
        key for step in step_keys(slot_dataset(shapes_dataset, batch_size=12), 0, 3) for key in step
    ]


def test_documents_share_a_row_and_short_ones_leave_room_to_long_ones():
    assert fair_shares([10, 200, 30], 300) == [10, 200, 30]
    assert fair_shares([10, 200, 90], 150) == [10, 70, 70]
    assert fair_shares([50, 50], 20) == [10, 10]


def test_a_broken_image_outside_the_window_costs_nothing(tmp_path, make_dataset, make_png):
    samples = [["x" * 200, make_png()[:60]]]
    dataset = slot_dataset(make_dataset(tmp_path, {"train": [samples]}), batch_size=1, micro_batch_size=1)
    shown = [dataset[item] for item in range(30)]
    assert any(batch.skipped.total() == 0 for batch in shown)
    assert all(batch.pixel_values.shape[0] == 0 for batch in shown)


def test_a_dataset_of_broken_samples_is_an_error_not_an_endless_search(tmp_path, make_dataset, make_png):
    dataset = slot_dataset(make_dataset(tmp_path, {"train": [[[make_png()[:60], "x"]]]}), batch_size=1)
    with pytest.raises(ValueError, match="dataset is broken"):
        dataset[0]


def test_a_batch_without_an_image_has_pixels_of_shape_nothing(tmp_path, make_dataset):
    batch = slot_dataset(make_dataset(tmp_path, {"train": [[["no image here"]]]}), batch_size=1)[0].to(CPU)
    assert batch.pixel_values.shape == (0, 1, 3, 16, 16)
    assert batch.loss_tokens == len("no image here") + 2 - 1
