"""lmms-eval's questions are answered by a checkpoint; where that package is installed, through its own registry."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from m3w.recipes.errors import InputError
from m3w.trainer.evaluate.lmms import MODEL_ID, LmmsEvaluator, manifests

RED, BLUE = Image.new("RGB", (40, 30), "red"), Image.new("RGB", (40, 30), "blue")


@pytest.fixture(scope="module")
def evaluator(checkpoint: Path) -> LmmsEvaluator:
    return LmmsEvaluator(str(checkpoint), "cpu", beams=1)


def test_answers_come_in_order_for_any_number_of_pictures(evaluator: LmmsEvaluator) -> None:
    contexts = ["which colour?", "<image> which shape?", "nothing to see"]
    together = evaluator.answers(contexts, [[RED], [RED, BLUE], []], max_new_tokens=5, until=())
    assert len(together) == 3 and all(isinstance(text, str) for text in together)
    assert together[0] == evaluator.answers(contexts[:1], [[RED]], max_new_tokens=5, until=())[0]


def test_the_loss_is_of_the_continuation_on_its_picture(evaluator: LmmsEvaluator) -> None:
    (said,) = evaluator.answers(["which colour?"], [[RED]], max_new_tokens=5, until=())
    one, _ = evaluator.loss("which colour?", [RED], "green circle")
    other, _ = evaluator.loss("which colour?", [BLUE], "green circle")
    assert one > 0 and one != pytest.approx(other, abs=1e-4) and said is not None


def test_a_template_without_a_place_for_the_question_is_an_error(checkpoint: Path) -> None:
    with pytest.raises(InputError, match=r"has no \{context\}"):
        LmmsEvaluator(str(checkpoint), "cpu", template="Say:")
    with pytest.raises(InputError, match="neither a picture nor the path of a video"):
        LmmsEvaluator(str(checkpoint), "cpu").answers(["x"], [[42]], max_new_tokens=2, until=())


def test_lmms_eval_itself_finds_and_asks_the_model(checkpoint: Path) -> None:
    pytest.importorskip(
        "lmms_eval", reason="lmms-eval is not installed; it is no dependency, since it pulls its own torchvision"
    )
    from lmms_eval.api.instance import Instance
    from lmms_eval.models.registry_v2 import ModelRegistryV2

    registry = ModelRegistryV2()
    registry.register_manifest(manifests())
    model = registry.get_model_class(MODEL_ID).create_from_arg_string(
        f"pretrained={checkpoint},beams=1", {"batch_size": 2, "device": "cpu"}
    )
    documents = {0: SimpleNamespace(picture=RED), 1: SimpleNamespace(picture=BLUE), 2: SimpleNamespace(picture=RED)}
    model.task_dict = {"colours": {"test": documents}}

    def instance(kind: str, number: int, second: object) -> object:
        arguments = ("which colour?", second, lambda document: [document.picture], number, "colours", "test")
        metadata = {"task": "colours", "doc_id": number, "repeats": 1}
        return Instance(request_type=kind, arguments=arguments, idx=0, metadata=metadata)

    keywords = {"max_new_tokens": 5, "until": ["\n"]}
    said = model.generate_until([instance("generate_until", n, dict(keywords)) for n in range(3)])
    assert len(said) == 3 and said[0] == said[2]
    losses = model.loglikelihood(
        [instance("loglikelihood", n, target) for n, target in ((0, "red"), (1, lambda _: "red"))]
    )
    assert losses[0][0] > 0 and losses[0][0] != pytest.approx(losses[1][0], abs=1e-4)
