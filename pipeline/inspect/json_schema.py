"""The JSON Schema of `m3w stats --json`.

`python -m m3w.pipeline.inspect.json_schema` prints docs/statistics.schema.json.
"""

from __future__ import annotations

import json

from m3w.pipeline.inspect.figures import Statistics


def json_schema() -> str:
    return json.dumps(Statistics.model_json_schema(mode="serialization"), indent=1) + "\n"


if __name__ == "__main__":
    print(json_schema(), end="")
