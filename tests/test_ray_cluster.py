"""The cluster file is what Ray's launcher takes, and agrees with the lock."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from jsonschema.exceptions import ValidationError

ROOT = Path(__file__).resolve().parent.parent


def test_the_cluster_file_is_valid_by_rays_own_schema() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())
    prepared = prepare_config(config)  # as `ray up` does: the provider's defaults, then the schema
    validate_config(prepared)
    assert prepared["available_node_types"]["worker"]["max_workers"] == config["max_workers"]
    assert prepared["available_node_types"]["head"]["resources"]["CPU"] == 0
    with pytest.raises(ValidationError, match="available_node_typos"):
        validate_config({**prepared, "available_node_typos": {}})


def test_the_clusters_ray_is_the_locks() -> None:
    image = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())["docker"]["image"]
    locked = re.search(r"^ray==(\S+)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert locked and image == f"rayproject/ray:{locked[1]}-py311"
