"""The benchmarks run and say what they promise; how quick anything is, is not for tests to judge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / script, *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds no rival, but what our client keeps between runs."""
    return tmp_path_factory.mktemp("environments")


def teachers(environments: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    path = environments / "teachers.json"
    said = run("teachers.py", "--environments", str(environments), "--json", str(path), *arguments)
    record: dict[str, Any] = json.loads(path.read_text())
    return said, record


@pytest.fixture(scope="module")
def compared(environments: Path) -> tuple[str, dict[str, Any]]:
    return teachers(environments, "--quick", "--only", "ours,aiohttp,curator")


def test_every_client_asks_each_prompt_once_and_is_measured(compared: tuple[str, dict[str, Any]]) -> None:
    _, record = compared
    counted = [run for run in record["runs"] if run["kind"] == "counted"]
    assert [run["error"] for run in record["runs"]] == [""] * len(record["runs"])
    assert {(run["client"], run["setting"]["n"]) for run in counted} == {
        (client, setting["n"]) for client in ("ours", "aiohttp") for setting in record["settings"]
    }
    for run in counted:
        assert run["rows"] == run["requests"] == run["setting"]["n"]
        assert 0 < run["loop_s"] < run["wall_s"]
        assert min(run["cpu_s"], run["peak_rss_mb"]) > 0


def test_the_verdict_compares_ours_with_every_client_that_ran(compared: tuple[str, dict[str, Any]]) -> None:
    said, record = compared
    assert set(record["summary"]) == {"ours", "aiohttp"}
    verdicts = {threshold["name"]: threshold["met"] for threshold in record["thresholds"]}
    assert len(verdicts) == 5
    unmeasured = {name for name, met in verdicts.items() if met is None}
    assert unmeasured == {name for name in verdicts if "curator" in name or "flexllm" in name}
    assert all(name in said for name in verdicts)


def test_a_client_that_is_not_installed_is_named_with_what_to_do(compared: tuple[str, dict[str, Any]]) -> None:
    said, record = compared
    assert set(record["not_run"]) == {"curator"}
    assert "not run: curator: no environment" in said
    assert "--setup" in said


def test_a_soak_follows_memory_and_descriptors(environments: Path) -> None:
    _, record = teachers(environments, "--soak", "400")
    soak = record["runs"][-1]
    assert soak["kind"] == "soak"
    assert soak["rows"] == soak["requests"] == 400
    assert soak["memory"][0]["rows"] == 0
    assert soak["memory"][-1]["rows"] == 400
    names = [threshold["name"].split()[0] for threshold in record["thresholds"]]
    assert names == ["peak", "memory", "memory", "descriptors"]


def test_an_unknown_client_is_refused_with_those_there_are() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "teachers.py", "--only", "ours,langchain"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no client langchain; there are ours, aiohttp" in done.stderr


def test_the_response_log_is_measured_beside_plain_files_and_when_it_is_large(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    directory = tmp_path / "disk"
    directory.mkdir()
    said = run(
        "log.py", "--rows", "400", "--rounds", "1", "--keys", "2000", "--dir", str(directory), "--json", str(path)
    )
    record = json.loads(path.read_text())
    assert any(way.startswith("response log") for way in record["writing"])
    assert len(record["writing"]) >= 4
    for way, figures in record["writing"].items():
        assert set(figures) == {"rows_per_s", "cpu_us_per_row", "bytes_per_reply"}
        assert min(figures.values()) > 0
        assert way in said
    assert record["large"]["file_mb"] > 0
    assert {"open_s", "all_keys_s", "open_peak_rss_mb"} <= set(record["large"])
    assert list(directory.iterdir()) == []


def test_the_draw_is_measured_beside_plain_python_and_datasets_and_what_it_promises_is_examined(tmp_path: Path) -> None:
    pytest.importorskip("orca_flan", reason="needs the plugin orca-flan installed")
    inventory, path = tmp_path / "inventory.csv", tmp_path / "sampling.json"
    tasks = {"cot": (300, 20), "niv2": (900, 5, 0), "flan2021": (4000, 10), "t0": (9000, 8000)}
    rows = [f"{name},task{i},{size}" for name, sizes in tasks.items() for i, size in enumerate(sizes)]
    inventory.write_text("\n".join(["collection,task,zero_shot_queries", *rows]))
    sizes = ("--n", "500", "5000", "--rounds", "2", "--json", str(path))
    said = run("sampling.py", "--inventory", str(inventory), *sizes)
    record = json.loads(path.read_text())
    drawn = {pool["collection"]: (pool["tasks"], pool["pool"], pool["capped"]) for pool in record["pools"]}
    assert drawn == {"cot": (2, 320, 320), "niv2": (3, 905, 305), "flan2021": (4, 8020, 8020), "t0": (2, 34000, 34000)}
    assert record["holds"]
    assert all(record["holds"].values())
    assert "DOES NOT HOLD" not in said
    ways = [(row["way"], row["n"]) for row in record["ways"]]
    assert ways == [
        ("ours", 500),
        ("plain, sparse", 500),
        ("datasets", 500),
        ("ours", 5000),
        ("plain lists", 5000),
        ("plain, sparse", 5000),
    ]
    expected = {500: 500, 5000: sum(pool["taken"] for pool in record["pools"])}
    for row in record["ways"]:
        assert row["rows"] == expected[row["n"]], row
        assert min(row["seconds"], row["peak_rss_mb"], row["times_ours"]) > 0


def test_duplicates_are_searched_for_by_every_way_among_the_same_texts(tmp_path: Path) -> None:
    path = tmp_path / "dedup.json"
    ways = "near-duplicates,datasketch,duplicates,set"
    options = ("--n", "2000", "--repeat", "1", "--only", ways, "--environments", str(tmp_path), "--json", str(path))
    said = run("dedup.py", *options)
    record = json.loads(path.read_text())
    assert set(record["ways"]) == {"near-duplicates", "duplicates", "set"}
    assert "not run: datasketch: no environment" in said
    ours = record["ways"]["near-duplicates"]
    assert ours["exact"] == 1.0
    assert ours["near"] >= 0.95
    assert ours["false"] <= 0.005
    assert record["ways"]["duplicates"]["near"] == record["ways"]["set"]["near"] == 0.0
    assert (
        min(
            min(way[key] for key in ("texts_per_s", "cpu_us_per_text", "peak_rss_mb"))
            for way in record["ways"].values()
        )
        > 0
    )


def test_planted_overlaps_are_found_and_unrelated_prompts_are_not_flagged(tmp_path: Path) -> None:
    path = tmp_path / "overlap.json"
    run("overlap.py", "--n", "4000", "--questions", "1000", "--json", str(path))
    record = json.loads(path.read_text())
    found = record["found"]
    assert found["copied"] == found["embedded"] == 1.0
    assert found["near"] >= 0.95
    assert found["unrelated"] <= 0.005
    assert min(record["prompts_per_s"], record["peak_rss_mb"]) > 0


def test_training_packing_and_tokenising_are_measured_beside_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "student.json"
    few = ("--examples", "40", "--lengths", "20000", "--texts", "60", "--rounds", "1")
    said = run("student.py", *few, "--environments", str(tmp_path), "--json", str(path))
    record = json.loads(path.read_text())
    parts = record["parts"]
    assert {part: set(result["ways"]) for part, result in parts.items()} == {
        "training": {"ours", "sorted loop"},
        "packing": {"ours"},
        "tokenising": {"ours"},
    }
    assert set(parts["training"]["not_run"]) == {"trl bfd"}
    assert all(way["tokens"] > 0 and way["peak_rss_mb"] > 100 for way in parts["training"]["ways"].values())
    assert 0.9 < parts["packing"]["ways"]["ours"]["fill"] <= 1
    met = {promise["name"]: promise["met"] for promise in record["promises"]}
    assert [name for name, verdict in met.items() if verdict is None] == [name for name in met if "TRL" in name]
    assert "not run: trl bfd: no environment" in said


def test_the_benchmark_for_gpus_runs_on_a_cpu(tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    arguments = ("--sizes", "tiny", "--rows", "10", "--micro-rows", "2", "--environments", str(tmp_path))
    said = run("student_gpu.py", *arguments, "--json", str(path))
    ours = json.loads(path.read_text())["sizes"]["tiny"]["ours"]
    assert min(ours["tokens_per_s"], ours["mfu"]) > 0
    assert "not run: tiny: trl: no environment" in said


def test_instances_of_scalelogic_are_sound_proved_and_give_nothing_away(tmp_path: Path) -> None:
    pytest.importorskip("orca_scalelogic", reason="needs the plugin orca-scalelogic installed")
    path = tmp_path / "scalelogic.json"
    few = ("--n", "40", "--depths", "1", "2", "--tiers", "implication", "quantification")
    said = run("scalelogic.py", *few, "--json", str(path))
    record = json.loads(path.read_text())
    assert [(row["tier"], row["depth"]) for row in record["cells"]] == [
        (tier, depth) for tier in ("implication", "quantification") for depth in (1, 2)
    ]
    for row in record["cells"]:
        for key in ("one_entailed", "proved", "depth_exact"):
            assert (row[key]["share"], row[key]["n"]) == (1.0, 40)
    shortcuts = [row for row in record["shortcuts"] if row["shortcut"] not in ("one rule back", "largest component")]
    assert len(shortcuts) == 22
    assert all(abs(row["z"]) < 3.3 and row["n"] == 80 for row in shortcuts)
    assert "apart from chance by more than luck (|z| >= 3.3): 0 of 22" in said
