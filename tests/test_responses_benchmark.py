"""The benchmark of the response log runs and says what it promises; how quick anything is, is not for tests to judge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "log.py"


def test_every_way_is_measured_and_a_large_log_is_opened(tmp_path):
    sizes = ("--rows", "400", "--rounds", "2", "--keys", "2000")
    command = [sys.executable, SCRIPT, *sizes, "--dir", tmp_path, "--json", tmp_path / "log.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "log.json").read_text())
    assert len(record["writing"]) == 6
    for name, figures in record["writing"].items():
        assert name in done.stdout
        assert figures["rows_per_s"] > 0
        assert figures["bytes_per_reply"] > 1000, "replies are about 1 KB"
    for step in ("open", "first_lookups", "first_request", "all_keys", "totals"):
        assert record["large"][f"{step}_s"] >= 0
        assert 10 < record["large"][f"{step}_peak_rss_mb"] < 1000
    assert [path.name for path in tmp_path.iterdir()] == ["log.json"], "it leaves nothing behind"
