"""The recipe: errors name the key, and its keys are in the settings of the right stages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from m3w.pipeline.build import dataset_digest
from m3w.pipeline.crawl.section import Storage, Where
from m3w.pipeline.recipe import Recipe, load_recipe, parse_recipe
from m3w.recipes.errors import InputError

SMALLEST: dict[str, Any] = {"crawl": {"paths": ["a.warc.gz"]}}
SHIPPED = Path(__file__).parents[3] / "recipes"


def recipe(**sections: Any) -> Recipe:
    return parse_recipe({**SMALLEST, **sections}, "test.yaml")


def written(folder: Path, text: str) -> str:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return str(path)


def test_the_smallest_recipe_has_the_papers_image_rules() -> None:
    rules = recipe().rules
    assert rules.languages == ["en"]
    assert [(name, rule.signal, rule.min, rule.max) for name, rule in rules.image.items()] == [
        ("too_small", "shorter_side", 64, None),
        ("aspect_ratio", None, None, 3),
        ("single_colour", "colour_range", 1, None),
    ]
    assert recipe().dataset.images_per_sequence == 5


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown section": (
        {"crawls": {}},
        "unknown key crawls; known here: crawl, extract, urls, word_lists, signals, rules",
    ),
    "unknown key": ({"dataset": {"shard_mb": 5}}, "unknown key dataset.shard_mb; known here: name, shard_mib"),
    "unknown key of a rule": (
        {"rules": {"image": {"too_small": {"minimum": 5}}}},
        "unknown key rules.image.too_small.minimum; known here: .*min",
    ),
    "nothing to read": ({"crawl": {}}, "neither paths nor index.paths, so it is not clear what to read"),
    "no paths": ({"crawl": {"paths": []}}, "neither paths nor index.paths"),
    "two sources": ({"crawl": {"paths": ["a"], "index": {"paths": ["b"]}}}, "both paths and index.paths"),
    "a password in a path": (
        {"crawl": {"paths": ["https://me:secret@a.example/a.warc"]}},
        "for all to read; leave it out",
    ),
    "a password in an endpoint": ({"crawl": {"paths": ["a"], "storage": {"endpoint": "http://a:b@c"}}}, "leave it out"),
    "an endpoint without a scheme": (
        {"crawl": {"storage": {"endpoint": "minio:9000"}}},
        r"crawl\.storage\.endpoint = 'minio",
    ),
    "time that runs backwards": (
        {"crawl": {"index": {"paths": ["a"], "where": {"after": "2024-02-01", "before": "2024-01-01"}}}},
        r"after 2024-02-01T00:00:00\+00:00 is not before 2024-01-01",
    ),
    "no time": ({"crawl": {"index": {"where": {"after": "spring"}}}}, "Invalid isoformat string: 'spring'"),
    "a domain that is a URL": (
        {"crawl": {"index": {"where": {"domains": ["https://a.example/"]}}}},
        r"domains\.0 = 'https",
    ),
    "one path, no list": ({"crawl": {"paths": "a.warc"}}, r"crawl\.paths = 'a.warc'"),
    "text for a number": ({"dataset": {"shard_mib": "many"}}, r"dataset\.shard_mib = 'many'"),
    "a number in quotes": ({"dataset": {"shard_mib": "512"}}, r"dataset\.shard_mib = '512'"),
    "truth for a number": ({"dataset": {"shard_mib": True}}, r"dataset\.shard_mib = True"),
    "a fraction for an integer": ({"dataset": {"shard_mib": 1.5}}, r"dataset\.shard_mib = 1.5"),
    "number for a text": ({"dataset": {"name": 5}}, r"dataset\.name = 5"),
    "too small": ({"dataset": {"shard_mib": 0}}, r"dataset\.shard_mib = 0"),
    "too many images": ({"dataset": {"images_per_sequence": 6}}, r"dataset\.images_per_sequence = 6"),
    "all for validation": ({"dataset": {"validation_fraction": 1}}, r"dataset\.validation_fraction = 1"),
    "none of the choices": ({"extract": {"content": "some"}}, r"extract\.content = 'some'"),
    "a section that is none": ({"extract": 5}, "extract = 5"),
    "an empty section": ({"extract": None}, "extract = None"),
    "Norway": ({"rules": {"languages": [False]}}, r"rules\.languages\.0 = False"),
    "a language by its name": ({"rules": {"languages": ["english"]}}, r"rules\.languages\.0 = 'english'"),
    "rule on an unknown signal": (
        {"rules": {"document": {"wordz": {"min": 5}}}},
        "rules.document.wordz is a rule on the unknown signal wordz; the nearest known is words",
    ),
    "rule without bounds": ({"rules": {"document": {"words": {}}}}, "neither min nor max"),
    "rule upside down": ({"rules": {"document": {"words": {"min": 5, "max": 1}}}}, "min 5 above max 1"),
    "bound that is no number": ({"rules": {"document": {"words": {"min": float("nan")}}}}, r"words\.min = nan"),
    "a size without pixels": ({"images": {"size": "longest_side"}}, r"images\.pixels is not set, .*set it"),
    "a rule on a scorer's signal": (
        {"scores": {"scorers": {"clip": {"class_path": "a.B"}}}, "rules": {"image": {"clips": {"min": 0}}}},
        "rules.image.clips is a rule on the unknown signal clips; the nearest known is clip",
    ),
    "a signal given twice": (
        {"scores": {"scorers": {"bytes": {"class_path": "a.B"}}}},
        "defines the signal bytes, which exists already",
    ),
    "a class without a module": ({"scores": {"scorers": {"a": {"class_path": "B"}}}}, r"class_path = 'B'"),
    "an unknown format": ({"rules": {"formats": ["bmp"]}}, r"rules\.formats\.0 = 'bmp'"),
    "pixels without a size": ({"images": {"pixels": 256}}, r"images\.size is keep, so it would have no effect"),
    "a distance of nothing": (
        {"duplicates": {"image_distance": 3}},
        r"image_distance = 3 has no effect without duplicates\.image_documents",
    ),
    "a distance to nothing": ({"duplicates": {"repeated_distance": 3}}, "while duplicates.repeated_images is false"),
    "no document may hold it": ({"duplicates": {"paragraph_documents": 0}}, r"duplicates\.paragraph_documents = 0"),
    "no bands": ({"duplicates": {"minhash": {"bands": 0}}}, r"duplicates\.minhash\.bands = 0"),
    "bound in quotes": ({"rules": {"document": {"words": {"min": "5"}}}}, r"words\.min = '5'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_recipe_is_one_line_that_names_the_key(name: str) -> None:
    sections, problem = WRONG[name]
    with pytest.raises(InputError, match=problem) as error:
        recipe(**sections)
    assert str(error.value).startswith("the recipe test.yaml is wrong: ")
    assert "\n" not in str(error.value)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(InputError, match=r"unknown key fetch\.speed.*; dataset\.shard_mib = 0"):
        recipe(dataset={"shard_mib": 0}, fetch={"speed": 1})


def test_a_recipe_comes_back_from_its_yaml(tmp_path: Path) -> None:
    whole = recipe(
        rules={"languages": ["de", "en"], "document": {"b": {"signal": "words", "min": 5}, "a": {"signal": "words", "max": 9}}},
        dataset={"name": "Füchse", "validation_fraction": 0},
    )  # fmt: skip
    again = load_recipe(written(tmp_path, whole.to_yaml()))
    assert again == whole
    assert list(again.rules.document) == ["b", "a"], "rules keep their order, since the first broken one is the reason"
    assert again.to_yaml() == whole.to_yaml()
    assert dataset_digest(again) == dataset_digest(whole)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no keys"),
        ("- a\n- b\n", "holds no keys"),
        ("crawl: [", "is not YAML"),
        ("crawl: {paths: [a]}\nrules: !!python/object:os.system {}\n", "is not YAML"),
        ("a\x00b", "is not YAML"),
    ],
)
def test_a_file_that_is_not_a_recipe_is_named(tmp_path: Path, text: str, problem: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=problem) as error:
        load_recipe(path)
    assert path in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml cannot be read"):
        load_recipe(str(tmp_path / "nowhere.yaml"))


def test_values_can_be_set_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, yaml.safe_dump(SMALLEST))
    found = load_recipe(
        path,
        [
            "dataset.shard_mib=7",
            "rules.languages=[de, fr]",
            "rules.document.words.min=5",
            "rules.image.too_small.min=100",
            "crawl.paths=[b.warc, c.warc]",
            "crawl.prefix=s3://a=b/",
            "dataset.name=a name",
        ],
    )
    assert found.dataset.shard_mib == 7
    assert found.rules.languages == ["de", "fr"]
    assert found.rules.document["words"].min == 5
    assert (found.rules.image["too_small"].signal, found.rules.image["too_small"].min) == ("shorter_side", 100)
    assert list(found.rules.image) == ["too_small", "aspect_ratio", "single_colour"], "the other rules stay"
    assert (found.crawl.paths, found.crawl.prefix) == (["b.warc", "c.warc"], "s3://a=b/")
    assert found.dataset.name == "a name"


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("dataset.shard_mib", "names no value"),
        ("=5", "names no value"),
        ("dataset.shards=5", "unknown key dataset.shards"),
        ("dataset.name.first=5", "name is a value, not a section"),
        ("crawl.paths=[", "is not YAML"),
        ("dataset.shard_mib=", "dataset.shard_mib = None"),
        ("speed=5", "unknown key speed"),
    ],
)
def test_a_wrong_override_is_an_error(tmp_path: Path, override: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as error:
        load_recipe(written(tmp_path, yaml.safe_dump({**SMALLEST, "dataset": {"name": "x"}})), [override])
    assert "\n" not in str(error.value)


# What depends on what

CHANGES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "crawl.paths": ({"crawl": {"paths": ["b.warc.gz"]}}, set()),  # the parts' inputs name the files
    "crawl.index.where": ({"crawl": {"index": {"paths": ["a.cdxj"], "where": {"tlds": ["de"]}}}}, {"select"}),
    "crawl.index.pages_per_part": ({"crawl": {"index": {"paths": ["a.cdxj"], "pages_per_part": 5}}}, {"selected"}),
    "crawl.prefix": ({"crawl": {"paths": ["a.warc.gz"], "prefix": "s3://b/"}}, {"select"}),
    "crawl.part_mib": ({"crawl": {"paths": ["a.warc.gz"], "part_mib": 5}}, set()),  # the parts' inputs name the bytes
    "crawl.storage": ({"crawl": {"paths": ["a.warc.gz"], "storage": {"attempts": 2}}}, set()),
    "extract.content": ({"extract": {"content": "full"}}, {"extract"}),
    "extract.max_page_mib": ({"extract": {"max_page_mib": 3}}, {"extract"}),
    "urls.pages": ({"urls": {"pages": {"words": ["casino"]}}}, {"filter"}),
    "word_lists": (
        {"word_lists": {"stop": {"de": str(SHIPPED / "m3w.yaml")}}},
        {"extract", "import_documents", "filter"},
    ),
    "rules.text": ({"rules": {"text": {"words": {"min": 4}}}}, {"filter"}),
    "rules.image_reference": ({"rules": {"image_reference": {"alt_words": {"min": 1}}}}, {"filter"}),
    "pii": ({"pii": {"emails": True}}, {"filter"}),
    "drops": (
        {"drops": {"keep_per_reason": 0}},
        {"extract", "import_documents", "filter", "unique", "join", "assemble"},
    ),
    "rules.languages": ({"rules": {"languages": ["de"]}}, {"filter"}),
    "rules.document": ({"rules": {"document": {"words": {"min": 5}}}}, {"filter"}),
    "rules.image": ({"rules": {"image": {"bytes": {"min": 5}}}}, {"join"}),
    "fetch.source": ({"fetch": {"source": "web", "contact": "me@example.org"}}, {"fetch", "requests"}),
    "fetch.agent": ({"fetch": {"agent": "Other"}}, {"extract", "fetch"}),  # pages' headers may address it, too
    "rules.formats": ({"rules": {"formats": ["png"]}}, {"join"}),
    "images.forbidden_distance": ({"images": {"forbidden_distance": 2}}, {"fetch"}),
    "duplicates.same_page": ({"duplicates": {"same_page": False}}, {"document_hashes", "deduplicate"}),
    "duplicates.near_text": ({"duplicates": {"near_text": True}}, {"document_hashes", "deduplicate"}),
    "duplicates.minhash": ({"duplicates": {"minhash": {"bands": 20}}}, {"document_hashes", "deduplicate"}),
    "duplicates.paragraph_documents": ({"duplicates": {"paragraph_documents": 2}}, {"repeated", "unique"}),
    "duplicates.image_url_documents": ({"duplicates": {"image_url_documents": 10}}, {"repeated", "unique"}),
    "duplicates.image_documents": ({"duplicates": {"image_documents": 10}}, {"frequent_images"}),
    "duplicates.repeated_images": ({"duplicates": {"repeated_images": True}}, {"unique", "join"}),
    "duplicates.evaluation.images": ({"duplicates": {"evaluation": {"images": "coco"}}}, {"evaluation", "join"}),
    "duplicates.evaluation.image_distance": ({"duplicates": {"evaluation": {"image_distance": 3}}}, {"join"}),
    "duplicates.evaluation.texts": (
        {"duplicates": {"evaluation": {"texts": "vqa"}}},
        {"evaluation", "document_hashes"},
    ),
    "fetch.urls_per_part": ({"fetch": {"urls_per_part": 5}}, {"requests"}),
    "fetch.urls_per_host": ({"fetch": {"urls_per_host": 5}}, {"requests"}),
    "fetch.host": ({"fetch": {"host": {"delay_s": 3}}}, set()),  # what was fetched at other rates stays fetched
    "fetch.robots": ({"fetch": {"robots": False}}, {"fetch"}),
    "consent.refuse": ({"consent": {"refuse": ["noai"]}}, {"filter", "fetch"}),
    "fetch.max_image_mib": ({"fetch": {"max_image_mib": 5}}, {"extract", "fetch"}),
    "fetch.max_megapixels": ({"fetch": {"max_megapixels": 5}}, {"fetch", "evaluation"}),
    "scores.scorers": ({"scores": {"scorers": {"a": {"class_path": "b.C"}}}}, {"score", "join"}),
    "images.size": ({"images": {"size": "longest_side", "pixels": 256}}, {"fetch", "evaluation"}),
    "images.quality": ({"images": {"quality": 80}}, {"fetch"}),
    "dataset.shard_mib": ({"dataset": {"shard_mib": 5}}, {"join", "assemble"}),
    "dataset.images_per_sequence": ({"dataset": {"images_per_sequence": 3}}, {"assemble"}),
    "dataset.validation_fraction": ({"dataset": {"validation_fraction": 0.5}}, {"join"}),
    "execution": ({"execution": {"attempts": 9, "cpus_per_part": 0.5, "max_failed_parts": 3}}, set()),
}


@pytest.mark.parametrize("field", CHANGES)
def test_what_a_changed_field_redoes(field: str, fingerprints: Any) -> None:
    sections, stages = CHANGES[field]
    before, after = recipe(), parse_recipe({**SMALLEST, **sections}, "test.yaml")
    assert before != after
    old, new = fingerprints(before), fingerprints(after)
    assert {stage for stage in old if old[stage] != new[stage]} == stages
    assert (dataset_digest(before) != dataset_digest(after)) == (
        field not in ("execution", "drops", "crawl.storage", "fetch.host")
    )


def test_an_explicit_default_changes_no_fingerprint(fingerprints: Any) -> None:
    spelled = recipe(dataset={"shard_mib": 512}, rules={"languages": ["en"]})
    assert fingerprints(spelled) == fingerprints(recipe())
    assert dataset_digest(spelled) == dataset_digest(recipe())


def test_the_order_of_rules_matters_and_the_order_of_sections_does_not(fingerprints: Any) -> None:
    a, b = {"signal": "words", "min": 5.0}, {"signal": "characters", "min": 9.0}
    first, second = recipe(rules={"document": {"a": a, "b": b}}), recipe(rules={"document": {"b": b, "a": a}})
    assert fingerprints(first)["filter"] != fingerprints(second)["filter"]
    turned = parse_recipe({"dataset": {}, "rules": {"document": {"a": a, "b": b}}, **SMALLEST}, "test.yaml")
    assert dataset_digest(turned) == dataset_digest(first)
    assert fingerprints(turned) == fingerprints(first)


def test_the_shipped_recipe_writes_out_every_field_and_its_default() -> None:
    """What it keeps is the paper's; a recipe that says nothing of rules and lists drops nothing by them."""
    text = (SHIPPED / "m3w.yaml").read_text()
    written_out = yaml.safe_load(text)
    assert set(written_out) == set(Recipe.model_fields)
    for section, values in load_recipe(str(SHIPPED / "m3w.yaml")).model_dump().items():
        assert set(written_out[section]) == set(values), section
        if section not in ("crawl", "urls", "rules"):
            assert values == recipe().model_dump()[section]
    assert load_recipe(str(SHIPPED / "m3w.yaml")).crawl == recipe(crawl={"paths": ["crawl/*.warc.gz"]}).crawl
    assert set(written_out["crawl"]["index"]["where"]) == set(Where.model_fields)
    assert set(written_out["crawl"]["storage"]) == set(Storage.model_fields)


def test_every_example_in_the_guide_to_sources_is_a_recipe() -> None:
    text = (SHIPPED.parent / "docs/sources.md").read_text()
    examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(examples) >= 8
    for example in examples:
        assert parse_recipe(yaml.safe_load(example), "docs/sources.md").crawl != recipe().crawl
