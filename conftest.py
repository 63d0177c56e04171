"""What the tests of the core and of every plugin share."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; a test that needs it is skipped where it is absent."""
    data = Path(os.environ.get("ORCA_SHARED", Path(__file__).resolve().parent / "../shared")).resolve() / "data"
    if not data.is_dir():
        pytest.skip(f"needs the real data in {data} (set ORCA_SHARED)")
    return data


@pytest.fixture(autouse=True)
def whole_floats() -> Iterator[None]:
    """A student in this process flushes denormal numbers to zero; hypothesis, in a later test, draws them."""
    yield
    if torch := sys.modules.get("torch"):
        torch.set_flush_denormal(False)
