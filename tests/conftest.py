"""Fixtures for the tests of all packages."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real files next to the repository; tests read them in place."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"{SHARED_DATA} is not there; this test reads real files from it")
    return SHARED_DATA
