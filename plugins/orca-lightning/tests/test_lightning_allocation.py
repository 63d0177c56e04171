"""Memory that answering frees stays with the process."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from orca_lightning.answering.allocation import keep_freed

if sys.argv[1] == "keep":
    keep_freed()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytearray(48_000_000)
before = faults()
for _ in range(20):
    bytearray(48_000_000)  # 48 MB: more than glibc would ever keep of its own accord
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told")
def test_memory_that_is_freed_is_not_fetched_from_the_system_again(monkeypatch):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    faults = {
        way: int(subprocess.run([sys.executable, "-c", FAULTS, way], capture_output=True, text=True, check=True).stdout)
        for way in ("keep", "leave")
    }
    assert faults["keep"] < faults["leave"] / 10, faults
