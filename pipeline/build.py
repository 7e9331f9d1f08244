"""`m3w build`: builds a recipe's dataset, stage by stage. Run it again to resume: parts in the ledger are skipped.

`STAGES` is the order of a run. What a stage reads, writes and depends on is in its declaration.
"""

from __future__ import annotations

from collections.abc import Sequence

from m3w.pipeline.crawl.select import select, selected
from m3w.pipeline.dataset.assemble import assemble
from m3w.pipeline.dataset.card import CardSettings
from m3w.pipeline.dataset.join import join
from m3w.pipeline.dataset.publish import publish
from m3w.pipeline.dedup.deduplicate import deduplicate
from m3w.pipeline.dedup.document_hashes import document_hashes
from m3w.pipeline.dedup.frequent_images import frequent_images
from m3w.pipeline.dedup.hash_evaluation import evaluation
from m3w.pipeline.dedup.repeated import repeated
from m3w.pipeline.dedup.unique import unique
from m3w.pipeline.engine.build_progress import Progress
from m3w.pipeline.engine.plan import Plan, check_stage_names, recipe_digest
from m3w.pipeline.engine.retrying import store_failures
from m3w.pipeline.engine.run import Run
from m3w.pipeline.engine.run_lock import locked
from m3w.pipeline.engine.settings import settings_of
from m3w.pipeline.engine.stage import Stage
from m3w.pipeline.exchange.import_documents import import_documents
from m3w.pipeline.extract.stage import extract
from m3w.pipeline.fetch.image_results import image_results
from m3w.pipeline.fetch.requests import requests
from m3w.pipeline.fetch.stage import fetch
from m3w.pipeline.filters.filter import filter
from m3w.pipeline.images.score import score
from m3w.pipeline.recipe import Recipe
from m3w.pipeline.tables import DOCUMENT_SHARDS
from m3w.schemas.manifest import Manifest

STAGES: tuple[Stage, ...] = (
    select,
    selected,
    extract,
    import_documents,
    filter,
    evaluation,
    document_hashes,
    deduplicate,
    repeated,
    unique,
    requests,
    fetch,
    image_results,
    frequent_images,
    score,
    join,
    assemble,
)


def build(
    recipe: Recipe,
    path: str,
    *,
    address: str | None = None,
    progress: Progress | None = None,
    stages: Sequence[Stage] = (),
) -> Manifest:
    """Build the dataset of `recipe` in the run at `path`, or resume the build.

    `stages` replaces `STAGES`, for a build with stages of its own (docs/extending.md).

    Raises `InputError` before anything is written, also if another build is running on the run (`RunInUse`);
    `StageFailed` if a stage has too many failed parts; `LockLost` if another build took over the run; `StoreFailed` if
    the run's folder cannot be written.
    """
    from m3w.pipeline.engine.executor import Executor  # imports Ray, which is not needed for STAGES alone

    stages = stages or STAGES
    check_stage_names(recipe.execution.stages, stages, "execution.stages")
    plan = Plan(stages, recipe)
    first, digest = plan.check(), dataset_digest(recipe)
    progress = progress or Progress()
    timeout_s = recipe.execution.driver_timeout_s
    with store_failures(path), locked(Run.create(path), timeout_s, progress.state, progress.note) as lock:
        run = lock.run
        run.write_if_changed("recipe.yaml", recipe.to_yaml())
        executor = Executor(run, recipe.execution, progress, drops=recipe.drops, address=address, check=lock.check)
        inputs, counts = plan.run(executor, first)
        manifest = publish(
            run,
            inputs.entries(DOCUMENT_SHARDS),
            counts,
            recipe_sha256=digest,
            card=settings_of(CardSettings, recipe),
            stages=stages,
        )
        run.remove("tmp")
    return manifest


def dataset_digest(recipe: Recipe) -> str:
    """SHA-256 (hex) of everything in the recipe that can change a dataset; it is in `dataset.json`."""
    return recipe_digest(recipe, [*(stage.settings for stage in STAGES), CardSettings])
