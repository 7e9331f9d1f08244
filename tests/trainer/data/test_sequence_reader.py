import json

import pytest
import webdataset

from m3w.schemas.manifest import ManifestError
from m3w.trainer.data.order import SampleAddress
from m3w.trainer.data.sequences import SequenceReader, UnreadableSampleError


@pytest.fixture
def dataset(tmp_path, make_dataset, make_png):
    shards = [[["a", make_png("red")], ["b", make_png("blue"), "c"]], [[make_png("green"), "d"]]]
    return make_dataset(tmp_path, {"train": shards})


def test_every_sample_reads_as_webdataset_reads_it(dataset):
    reader = SequenceReader(str(dataset), "train")
    assert reader.shard_sizes == (2, 1)
    for shard, name in enumerate(["train-00000-of-00002", "train-00001-of-00002"]):
        peer = webdataset.WebDataset(str(dataset / "sequences" / f"{name}.tar"), shardshuffle=False)
        for row, expected in enumerate(peer):
            sequence = reader.read(SampleAddress(shard, row))
            assert sequence.key == expected["__key__"]
            assert sequence.texts == json.loads(expected["json"])["texts"]
            assert sequence.image_bytes == [expected["0.png"]]


def test_a_dataset_is_read_by_any_fsspec_path(dataset):
    local = SequenceReader(str(dataset), "train")
    assert SequenceReader(f"file://{dataset}", "train").read(SampleAddress(1, 0)) == local.read(SampleAddress(1, 0))


def test_a_folder_without_a_manifest_is_an_error_that_says_so(tmp_path):
    with pytest.raises(ValueError, match=r"no dataset\.json"):
        SequenceReader(str(tmp_path), "train")


def test_a_split_that_is_not_there_is_an_error_that_names_the_others(dataset):
    with pytest.raises(ValueError, match=r"'validation'.*\['train'\]"):
        SequenceReader(str(dataset), "validation")


def test_a_manifest_that_is_no_manifest_is_an_error(dataset):
    (dataset / "dataset.json").write_text("{}")
    with pytest.raises(ManifestError):
        SequenceReader(str(dataset), "train")


def test_a_shard_cut_short_or_missing_is_an_error_before_the_start(dataset):
    reader = SequenceReader(str(dataset), "train")
    reader.check_shards(contents=True)
    shard = dataset / "sequences" / "train-00001-of-00002.tar"
    content = shard.read_bytes()
    shard.write_bytes(content[:-600])
    with pytest.raises(ValueError, match="truncated"):
        reader.check_shards()
    shard.unlink()
    with pytest.raises(ValueError, match="missing"):
        reader.check_shards()


def test_a_shard_with_another_hash_is_an_error_if_contents_are_checked(dataset):
    shard = dataset / "sequences" / "train-00000-of-00002.tar"
    content = bytearray(shard.read_bytes())
    content[700] ^= 1
    shard.write_bytes(content)
    reader = SequenceReader(str(dataset), "train")
    reader.check_shards()
    with pytest.raises(ValueError, match="SHA-256"):
        reader.check_shards(contents=True)


def test_a_sample_whose_text_is_not_json_is_unreadable_alone(dataset):
    shard = dataset / "sequences" / "train-00000-of-00002.tar"
    shard.write_bytes(
        shard.read_bytes().replace(b'{"document_id": "train00000000"', b'["document_id": "train00000000"')
    )
    reader = SequenceReader(str(dataset), "train")
    with pytest.raises(UnreadableSampleError, match="train00000000-0000"):
        reader.read(SampleAddress(0, 0))
    assert reader.read(SampleAddress(0, 1)).texts == ["b", None, "c"]


def test_the_fingerprint_is_of_the_contents(dataset, tmp_path_factory, make_dataset):
    other = make_dataset(tmp_path_factory.mktemp("other"), {"train": [[["a"], ["b"]]]})
    first = SequenceReader(str(dataset), "train").fingerprint
    assert first == SequenceReader(str(dataset), "train").fingerprint
    assert first != SequenceReader(str(other), "train").fingerprint
