"""The funnel: the manifest's counters as steps that add up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from m3w.pipeline.inspect import statistics
from m3w.pipeline.inspect.figures import Step
from m3w.pipeline.inspect.funnel import faults, funnel


def reasons(step: Step) -> dict[str, int]:
    return {each.reason: each.count for each in step.exits}


def step_to(steps: list[Step], kept_as: str) -> Step:
    return next(step for step in steps if step.kept_as == kept_as)


def test_every_step_adds_up(run_folder: Path) -> None:
    steps = statistics(str(run_folder)).funnel
    assert [step.unaccounted for step in steps] == [0] * 10
    assert all(step.entered == step.kept + sum(reasons(step).values()) for step in steps)


def test_names_each_drop_with_count_and_share(run_folder: Path) -> None:
    steps = statistics(str(run_folder)).funnel
    pages = step_to(steps, "pages")
    assert (pages.entered, pages.kept, pages.share) == (12, 6, 0.5)
    assert [(each.reason, each.kind, each.count, each.share) for each in pages.exits] == [
        ("images_in_archive", "passed", 5, 0.416667),
        ("not_html", "dropped", 1, 0.083333),
    ]
    assert reasons(step_to(steps, "images fetched")) == {"http_404": 1}
    assert reasons(step_to(steps, "documents with an image")) == {"no_image_left": 1}


def test_tracks_run_from_the_crawl_to_the_dataset(run_folder: Path) -> None:
    steps = statistics(str(run_folder)).funnel
    assert [step.kept for step in steps if step.track == "pages"] == [12, 6, 5, 4, 4, 3]
    assert [step.kept for step in steps if step.track == "images"] == [7, 4, 3, 3]


def test_what_is_left_out_as_a_copy_never_reaches_the_join() -> None:
    counts = {
        "filter": {"documents": 3},
        "deduplicate": {"copies": 1},
        "unique": {"documents": 2, "documents_dropped.same_crawl_of_page": 1},
        "join": {"documents": 2, "images": 2},
    }
    steps = funnel(counts)
    assert [reasons(step).get("same_crawl_of_page", 0) for step in steps if step.stage == "unique"] == [1]
    assert all(step.unaccounted == 0 for step in steps if step.stage != "filter")


def test_paragraphs_that_go_are_a_step_of_their_own() -> None:
    (step,) = funnel({"unique": {"text_nodes": 8, "text_nodes_dropped.repeated_on_site": 2}})
    assert (step.entered_as, step.entered, step.kept, reasons(step)) == ("text nodes", 10, 8, {"repeated_on_site": 2})


def test_what_no_counter_explains_is_unaccounted() -> None:
    steps = funnel({"extract": {"documents": 10}, "filter": {"documents": 6, "documents_dropped.language": 1}})
    assert step_to(steps, "documents within the rules").unaccounted == 3


def test_drops_of_an_unknown_stage_are_a_step_of_their_own() -> None:
    steps = funnel({"near_duplicates": {"paragraphs": 8, "paragraphs_dropped.repeated": 2}})
    assert [(step.stage, step.entered, step.kept, reasons(step)) for step in steps] == [
        ("near_duplicates", 10, 8, {"repeated": 2})
    ]


def test_images_of_documents_that_no_sequence_takes_are_named() -> None:
    steps = funnel({"assemble": {"images": 5, "sequence_images": 3, "sequence_images_dropped.no_text_beside": 2}})
    assert reasons(steps[0]) == {"no_text_beside": 2}


def test_faults_are_summed_over_stages() -> None:
    assert faults({"extract": {"faults.a": 1, "faults.b": 2}, "fetch": {"faults.a": 4}}) == {"a": 5, "b": 2}


def test_no_counters_no_funnel(write_dataset: Callable[..., Path]) -> None:
    assert statistics(str(write_dataset(counts={}))).funnel == []


def test_rules_on_nodes_are_steps_of_their_own_and_reasons_are_the_rules_names() -> None:
    counts = {
        "extract": {"documents": 3},
        "filter": {
            "documents": 1,
            "documents_dropped.blocked_domain": 1,
            "documents_dropped.no_image_left": 1,
            "text_nodes": 5,
            "text_nodes_dropped.too_short": 2,
            "image_references": 1,
            "image_references_dropped.declared_too_small": 4,
            "masked.emails": 7,
        },
    }
    steps = {step.kept_as: step for step in funnel(counts) if step.stage == "filter"}
    assert {name: (step.entered, step.kept, step.unaccounted) for name, step in steps.items()} == {
        "documents within the rules": (3, 1, 0),
        "texts within the rules": (7, 5, 0),
        "image references within the rules": (5, 1, 0),
    }
    assert [exit.reason for exit in steps["image references within the rules"].exits] == ["declared_too_small"]
