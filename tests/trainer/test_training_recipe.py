from pathlib import Path

import pytest

from m3w.recipes.errors import InputError
from m3w.trainer.recipe import load_recipe

SMALL = """
output: out
data: {dataset: somewhere}
model:
  language_model: {pretrained: lm}
  vision_encoder: {config: {model_type: clip_vision_model}, frozen: false}
  tokenizer: {vocabulary: 500}
training: {steps: 10, batch_size: 4}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(SMALL)
    return path


def test_what_is_not_said_is_as_in_the_paper(recipe):
    loaded = load_recipe(str(recipe))
    assert (loaded.data.tokens, loaded.data.images, loaded.data.p_next) == (256, 5, 0.5)
    assert (loaded.optimizer.learning_rate, loaded.optimizer.warmup_steps, loaded.optimizer.clip) == (1e-4, 5000, 1.0)
    assert loaded.optimizer.weight_decay == 0.1
    assert loaded.model.language_model.frozen


def test_overrides_are_applied_before_the_check(recipe):
    loaded = load_recipe(str(recipe), ["training.steps=7", "optimizer.learning_rate=1e-3", "data.flip=false", "seed=3"])
    assert (loaded.training.steps, loaded.optimizer.learning_rate) == (7, 0.001)
    assert (loaded.data.flip, loaded.seed) == (False, 3)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("training.stepz=1", "training.stepz"),
        ("training.steps=many", "training.steps"),
        ("training.steps=1.5", "training.steps"),
        ("training.batch_size=0", "training.batch_size"),
        ("data.p_next=2", "data.p_next"),
        ("data.flip=1", "data.flip"),
        ("model.language_model.config={model_type: gpt2}", "model.language_model"),
        ("model.tokenizer={}", "model.tokenizer"),
        ("seed.x=1", "seed"),
        ("training.steps", "training.steps"),
        ("a.=3", "a."),
        ("seed=[", "seed"),
    ],
)
def test_a_wrong_key_or_value_is_an_error_that_names_it(recipe, override, named):
    with pytest.raises(InputError, match=named.replace(".", r"\.")):
        load_recipe(str(recipe), [override])


def test_a_missing_key_is_named(recipe):
    recipe.write_text(SMALL.replace("output: out", ""))
    with pytest.raises(InputError, match="output is missing"):
        load_recipe(str(recipe))


@pytest.mark.parametrize("text", ["", "- a", "a: [", "7"])
def test_a_file_that_is_no_recipe_is_an_error(recipe, text):
    recipe.write_text(text)
    with pytest.raises(InputError):
        load_recipe(str(recipe))


def test_a_missing_file_is_an_error_that_names_it():
    with pytest.raises(InputError, match=r"nowhere\.yaml"):
        load_recipe("nowhere.yaml")


def test_a_number_with_an_exponent_is_a_number(recipe):
    recipe.write_text(SMALL + "optimizer: {learning_rate: 3e-4}\n")
    assert load_recipe(str(recipe)).optimizer.learning_rate == 3e-4


def test_the_recipes_of_this_repository_are_recipes():
    recipes = sorted((Path(__file__).parents[2] / "recipes").glob("train-*.yaml"))
    assert recipes
    for path in recipes:
        assert load_recipe(str(path)).training.steps > 0


def test_pretraining_an_encoder_that_is_trained_already_is_an_error(recipe):
    with pytest.raises(InputError, match="pretraining"):
        load_recipe(str(recipe), ["model.vision_encoder={pretrained: x}", "model.pretraining={epochs: 1}"])
