"""`statistics` of a dataset of three documents, and of folders that are not datasets."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fsspec
import jsonschema
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from m3w.pipeline.filters.signals import DOCUMENT_SIGNALS
from m3w.pipeline.inspect import Statistics, statistics
from m3w.pipeline.inspect.figures import json_schema
from m3w.recipes.errors import InputError
from m3w.schemas.manifest import DatasetError
from tests.pipeline.inspect.conftest import document, image

pytestmark = pytest.mark.filterwarnings("error")


def values(result: Statistics, name: str) -> dict[str, int]:
    return {each.value: each.count for each in result.frequencies[name].values}


def bins(result: Statistics, name: str) -> dict[float, int]:
    return {each.low: each.count for each in result.distributions[name].bins if each.count}


def test_counts_words_images_and_nodes_of_each_document(run_folder: Path) -> None:
    result = statistics(str(run_folder))
    words = result.distributions["words_per_document"]
    assert (words.count, words.lowest, words.highest, words.mean) == (3, 1, 4, 2.3333)
    assert words.percentiles["50"] == 2
    assert bins(result, "images_per_document") == {0: 1, 1: 1, 2: 1}
    assert bins(result, "image_nodes_per_document") == {1: 1, 2: 2}
    assert bins(result, "text_nodes_per_document") == {1: 2, 2: 1}


def test_measures_only_images_that_are_in_the_dataset(run_folder: Path) -> None:
    result = statistics(str(run_folder))
    assert bins(result, "image_width") == {64: 2, 192: 1}
    assert bins(result, "image_height") == {64: 1, 96: 2}
    assert bins(result, "image_aspect_ratio") == {1: 1, 1.25: 1, 2: 1}
    assert values(result, "image_formats") == {"image/jpeg": 2, "image/png": 1}
    assert values(result, "image_shapes") == {"landscape": 1, "portrait": 1, "square": 1}
    assert values(result, "image_status") == {"ok": 3, "http_404": 2}


def test_sequences_come_from_the_index_without_the_json_member(run_folder: Path) -> None:
    result = statistics(str(run_folder))
    assert bins(result, "images_per_sequence") == {1: 1, 2: 1}
    sizes = result.distributions["image_bytes"]
    assert (sizes.count, sizes.lowest, sizes.highest) == (3, 1000, 3000)


def test_counts_hosts_languages_and_crawl_years(run_folder: Path) -> None:
    result = statistics(str(run_folder))
    assert values(result, "hosts") == {"a.example": 2, "b.example": 1}
    assert values(result, "languages") == {"en": 2, "de": 1}
    assert values(result, "crawl_years") == {"2020": 2, "2021": 1}


def test_totals_are_per_split(run_folder: Path) -> None:
    totals = statistics(str(run_folder)).splits["train"]
    assert (totals.documents, totals.images, totals.sequences) == (3, 3, 2)
    assert (totals.document_bytes, totals.sequence_bytes) == (4096, 8192)


def test_image_bytes_are_never_read(run_folder: Path) -> None:
    """With the bytes of that column destroyed, everything is as before."""
    before = statistics(str(run_folder))
    path = run_folder / "dataset/documents/train-00000-of-00001.parquet"
    metadata, content = pq.ParquetFile(path).metadata, bytearray(path.read_bytes())
    for group in range(metadata.num_row_groups):
        columns = [metadata.row_group(group).column(index) for index in range(metadata.num_columns)]
        column = next(each for each in columns if each.path_in_schema.startswith("image_bytes"))
        start = column.dictionary_page_offset or column.data_page_offset
        content[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(content)
    with pytest.raises(OSError):
        pq.read_table(path)
    assert statistics(str(run_folder)) == before


def test_a_run_and_its_dataset_give_the_same(run_folder: Path) -> None:
    assert statistics(str(run_folder)) == statistics(f"{run_folder}/dataset/")


def test_reads_any_fsspec_path(run_folder: Path) -> None:
    fsspec.filesystem("memory").put(str(run_folder / "dataset"), "/elsewhere", recursive=True)
    there = statistics("memory://elsewhere")
    assert there.distributions == statistics(str(run_folder)).distributions


def test_a_dataset_without_documents_has_no_figures_and_no_error(write_dataset: Callable[..., Path]) -> None:
    result = statistics(str(write_dataset(documents=[], counts={})))
    assert result.funnel == []
    assert result.distributions["words_per_document"].mean is None


def test_json_has_its_version_and_can_be_read_back(run_folder: Path) -> None:
    result = statistics(str(run_folder))
    assert json.loads(result.to_json())["schema_version"] == 1
    assert Statistics.from_json(result.to_json()) == result


def test_names_in_the_json_are_held() -> None:
    """A name taken away breaks who reads the JSON: raise `SCHEMA_VERSION` with it."""
    assert list(Statistics.model_fields) == [
        "schema_version",
        "dataset",
        "m3w_version",
        "recipe_sha256",
        "splits",
        "funnel",
        "faults",
        "distributions",
        "frequencies",
        "signals",
        "repetition",
        "tokens",
    ]


def test_the_documented_json_schema_is_the_one_that_holds(run_folder: Path) -> None:
    """Write `json_schema()` to docs/statistics.schema.json when the figures change."""
    documented = (Path(__file__).parents[3] / "docs/statistics.schema.json").read_text(encoding="utf-8")
    assert documented == json_schema()
    jsonschema.validate(json.loads(statistics(str(run_folder)).to_json()), json.loads(documented))


def test_text_between_images_and_their_positions(run_folder: Path) -> None:
    """In the first document "four" stands between two images, nodes 2 and 4 of 4; the second ends with its image."""
    result = statistics(str(run_folder))
    between, position = result.distributions["characters_between_images"], result.distributions["image_position"]
    assert (between.count, between.lowest, between.highest) == (1, 4, 4)
    assert position.count == 3 and bins(result, "image_position") == {0.3: 1, 0.9: 2}


def test_signals_are_described_by_their_names(run_folder: Path) -> None:
    result = statistics(str(run_folder)).signals
    assert set(result) == {*DOCUMENT_SIGNALS, "language_score"}
    assert result["words"].highest == 4 and result["language_score"].missing == 3


def test_images_of_equal_bytes_are_repetitions(write_dataset: Callable[..., Path]) -> None:
    same = image(50, 50, sha256="ab" * 32)
    result = statistics(
        str(write_dataset([document("http://a.example", ["word", same, same, image(9, 9, sha256="cd" * 32)])]))
    )
    assert result.repetition is not None
    assert (result.repetition.images, result.repetition.distinct, result.repetition.exact) == (3, 2, True)


def test_sequences_by_their_images(run_folder: Path) -> None:
    assert values(statistics(str(run_folder)), "sequences_by_images") == {"1": 1, "2": 1}


@pytest.fixture
def word_tokenizer(tmp_path: Path) -> str:
    """One token for each word, and `<image>` as a special one."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "<image>": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return str(tmp_path)


def test_tokens_by_a_tokenizer_of_choice(run_folder: Path, word_tokenizer: str) -> None:
    tokens = statistics(str(run_folder), tokenizer=word_tokenizer).tokens
    assert tokens is not None
    assert (tokens.counted, tokens.estimated, tokens.documents, tokens.exact) == (7, 7, 3, True)
    assert tokens.characters == len("one two threefourfive sixseven")
    assert tokens.per_document.highest == 4


def test_tokens_of_some_documents_stand_for_all(run_folder: Path, word_tokenizer: str) -> None:
    tokens = statistics(str(run_folder), tokenizer=word_tokenizer, tokenized=1).tokens
    assert tokens is not None
    assert (tokens.counted, tokens.documents, tokens.exact) == (4, 1, False)
    assert tokens.estimated == round(4 / 17 * 30)


def test_a_wrong_tokenizer_is_one_line(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tokenizer\.json cannot be read"):
        statistics(str(run_folder), tokenizer=str(tmp_path / "nowhere"))
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="is no tokenizer"):
        statistics(str(run_folder), tokenizer=str(tmp_path))


@pytest.mark.parametrize(
    "damage", ["absent", "empty", "unfinished", "shard_gone", "shard_damaged", "page_damaged", "protocol"]
)
def test_an_incomplete_dataset_is_one_line_that_names_it(run_folder: Path, tmp_path: Path, damage: str) -> None:
    path = str(run_folder)
    shard = run_folder / "dataset/documents/train-00000-of-00001.parquet"
    if damage == "absent":
        path = str(tmp_path / "nowhere")
    elif damage == "empty":
        path = str(tmp_path / "other")
        Path(path).mkdir()
    elif damage == "unfinished":
        shutil.rmtree(run_folder / "dataset")
    elif damage == "shard_gone":
        shard.unlink()
    elif damage == "shard_damaged":
        shard.write_bytes(b"PAR1 no more PAR1")
    elif damage == "page_damaged":
        shard.write_bytes(b"PAR1" + b"\xff" * 400 + shard.read_bytes()[404:])
    else:
        path = "nosuch://folder"
    with pytest.raises(DatasetError) as raised:
        statistics(path)
    assert path in str(raised.value) and "\n" not in str(raised.value) and ";" in str(raised.value)


def test_starts_without_ray_and_torch() -> None:
    code = "import sys, m3w.pipeline.inspect; print(sorted({'ray', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
