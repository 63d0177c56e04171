"""Screens: drawn prompts are held against what the evaluators ask and against each other before anybody answers them."""

import json
import time
from pathlib import Path

import pytest
from toy_project import TOY, TOY_RUN

from orca_core.tables import read_prompts
from orca_core.testing.project import Project

SCREENS = """
import os
import time

from pydantic import Field

from orca_core import Component, Config, hookimpl
from orca_core.protocols import Flag


class SmallConfig(Config):
    '''Sums of small digits only.'''

    limit: int = Field(9, description="the largest digit")


class Small:
    def __init__(self, config):
        self.limit = config.limit

    def screen(self, prompts, questions):
        for prompt in prompts:
            a, b = map(int, prompt.query.text.split(" + "))
            time.sleep(float(os.environ.get("TOY_SCREEN_DELAY", 0)))
            yield prompt, Flag("large digit", evidence=prompt.query.text) if max(a, b) > self.limit else None


class TestedConfig(Config):
    '''Sums that an evaluator asks.'''

    drop: bool = True


class Tested:
    def __init__(self, config):
        self.drop = config.drop

    def screen(self, prompts, questions):
        asked = {p.query.text: (name, p.query.task) for name, those in questions.items() for p in those}
        for _ in prompts:  # screens may look twice
            pass
        for prompt in prompts:
            where = asked.get(prompt.query.text)
            yield prompt, Flag("tested", self.drop, *where) if where else None


@hookimpl
def orca_screens():
    return [
        Component("small", SmallConfig, lambda c, x: Small(c)),
        Component("tested", TestedConfig, lambda c, x: Tested(c)),
    ]
"""
RUN = (*TOY_RUN, "sampler.n=60", "subjects=[student]")
BOTH = ("screen=[small,tested]", "screen.small.limit=6")


def toy(root: Path) -> Project:
    """The toy project with two screens, and those of orca-curation."""
    project = Project(root)
    project.plugin("toy", TOY)
    project.plugin("screens", SCREENS)
    project.env |= {"TOY_ASKED": str(root / "asked.txt"), "ORCA_BLOCK_PLUGINS": "reasoning,litellm,lightning,flan"}
    return project


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    return toy(tmp_path)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """A project before its first run, and what was planned."""
    project = toy(tmp_path_factory.mktemp("screened"))
    return project, project.orca("plan", *RUN, *BOTH).stdout


@pytest.fixture(scope="module")
def screened(plan: tuple[Project, str]) -> Project:
    """The project after a run with both screens."""
    result = plan[0].orca("run", *RUN, *BOTH)
    assert result.returncode == 0, result.stderr
    return plan[0]


def slots(project: Project, kind: str) -> list[Path]:
    return sorted(path.parent for path in (project.root / "store" / kind).glob("*/done.json"))


def sums(slot: Path) -> list[str]:
    return [prompt.query.text for prompt in read_prompts(sorted(slot.glob("prompts-*.parquet")))]


def sieves(slot: Path) -> list[dict]:
    return json.loads((slot / "sieves.json").read_text())["sieves"]


def drawn(project: Project) -> list[str]:
    """What the sampler drew: in no order, while the evaluator's questions are in theirs."""
    return next(texts for texts in map(sums, slots(project, "sample")) if texts != sorted(texts))


def asked(text: str) -> bool:
    """Whether the evaluator asks the sum: it adds 0, 3, 6 or 9."""
    return int(text.split(" + ")[1]) % 3 == 0


def small(text: str) -> bool:
    return max(map(int, text.split(" + "))) <= 6


def test_two_screens_in_a_row_keep_the_order_and_nobody_is_asked_the_rest(screened: Project) -> None:
    kept = [text for text in drawn(screened) if small(text) and not asked(text)]
    assert 0 < len(kept) < len(drawn(screened))
    (slot,) = slots(screened, "screen")
    assert sums(slot) == kept
    assert Path(screened.env["TOY_ASKED"]).read_text().split("\n")[:-1] == kept


def test_each_screen_counts_what_it_holds_back_of_what_the_one_before_it_left(screened: Project) -> None:
    first, second = sieves(slots(screened, "screen")[0])
    left = [text for text in drawn(screened) if small(text)]
    assert (first["name"], first["before"], first["kept"]) == ("small", len(drawn(screened)), len(left))
    assert (second["name"], second["before"]) == ("tested", len(left))
    counts = {(f["evaluator"], f["evaluator_task"]): f["count"] for f in second["findings"]}
    low = sum(asked(text) and int(text[0]) < 5 for text in left)
    assert counts == {("all-sums", "low"): low, ("all-sums", "high"): len(left) - second["kept"] - low}


def test_examples_of_what_was_held_back_say_by_whom_and_why(screened: Project) -> None:
    lines = (slots(screened, "screen")[0] / "held_back.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert {(row["by"], row["reason"], row["dropped"]) for row in rows} == {
        ("small", "large digit", True),
        ("tested", "tested", True),
    }
    assert all(row["evidence"] == row["query"] for row in rows if row["by"] == "small")


def test_plan_counts_at_most_what_is_drawn_until_the_screens_have_been_through_it(
    plan: tuple[Project, str], screened: Project
) -> None:
    assert "at most 60 prompts" in plan[1]
    assert "to do" not in screened.orca("plan", *RUN, *BOTH).stdout


def test_what_screens_do_depends_on_screens_and_evaluators_alone(screened: Project) -> None:
    def to_do(*overrides: str) -> bool:
        lines = screened.orca("plan", *RUN, *overrides).stdout.splitlines()
        return any("screen/teacher" in line and "at most" in line for line in lines)

    assert not to_do(*BOTH, "student.learning_rate=0.5")
    assert to_do("screen=[tested,small]", "screen.small.limit=6")
    assert to_do(*BOTH, "evaluator=[]")


def test_screens_that_leave_nothing_say_so_and_where_to_look(fresh: Project) -> None:
    result = fresh.orca("run", *RUN, "screen=[small]", "screen.small.limit=-1")
    assert result.returncode == 2
    assert "the screens dropped every prompt ({'small: large digit': " in result.stderr
    assert "Traceback" not in result.stderr
    (held_back,) = (fresh.root / "store/screen").glob("*/held_back.jsonl")
    assert str(held_back) in result.stderr.replace("\n", "")


@pytest.mark.slow
def test_overlap_drops_the_evaluators_questions_or_warns_of_them(fresh: Project) -> None:
    for choice in ("drop", "warn"):
        result = fresh.orca("run", *RUN, "screen=[overlap]", f"screen.overlap.on_overlap={choice}")
        assert result.returncode == 0, result.stderr
    overlaps = sum(map(asked, drawn(fresh)))
    assert overlaps > 0
    found = {slot: sieves(slot)[0] for slot in slots(fresh, "screen")}
    dropped, warned = sorted(found, key=lambda slot: found[slot]["kept"])
    assert sums(dropped) == [text for text in drawn(fresh) if not asked(text)]
    assert sums(warned) == drawn(fresh)
    for slot, drops in ((dropped, True), (warned, False)):
        assert {(f["reason"], f["dropped"], f["evaluator"]) for f in found[slot]["findings"]} == {
            ("exact", drops, "all-sums")
        }
        assert sum(finding["count"] for finding in found[slot]["findings"]) == overlaps


@pytest.mark.slow
def test_a_subset_is_one_of_what_is_left_of_the_whole(fresh: Project) -> None:
    phases = ("sampler=sums", "teacher=adder", "teacher@curriculum.assistant.teacher=adder-brief", "student=memory")
    more = ("evaluator=[all-sums]", "subjects=[student]", "sampler.n=90", "curriculum.teacher.sampler.fraction=0.5")
    result = fresh.orca("run", *phases, *more, "screen=[tested]")
    assert result.returncode == 0, result.stderr
    part, whole = sorted((sums(slot) for slot in slots(fresh, "screen")), key=len)
    assert part
    assert set(part) < set(whole)


@pytest.mark.slow
def test_a_killed_screening_is_done_again_and_ends_the_same(fresh: Project, screened: Project) -> None:
    process = fresh.start("run", *RUN, *BOTH, TOY_SCREEN_DELAY="0.2")
    deadline = time.monotonic() + 120
    while not list((fresh.root / "store/screen").glob("*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    fresh.kill(process)
    assert not slots(fresh, "screen")
    result = fresh.orca("run", *RUN, *BOTH)
    assert result.returncode == 0, result.stderr
    (slot,), (undisturbed,) = slots(fresh, "screen"), slots(screened, "screen")
    for name in ("prompts-00000.parquet", "sieves.json", "held_back.jsonl"):
        assert (slot / name).read_bytes() == (undisturbed / name).read_bytes()
