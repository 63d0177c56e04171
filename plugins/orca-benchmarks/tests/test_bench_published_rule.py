"""The robust reader beside the rule that BIG-Bench Hard's figures were published by, on replies written as Codex writes them.

The rule: the text after the last ``the answer is``, or else the whole reply, without its full stop, is exactly the target. The
reasoning comes from the three exemplars of each task that lm-eval ships, as a model continues them in their style.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from orca_benchmarks.items import Space
from orca_benchmarks.loading.bbh import TASKS
from orca_benchmarks.reading import reaches, read

from orca_core import Prompt

sys.path.insert(0, str(Path(__file__).parent))
from bench_data import evaluator

CONCLUSION = "So the answer is "


class Loader(yaml.SafeLoader):
    """Leaves out what only lm-eval understands."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


@cache
def exemplars(task: str) -> list[dict[str, str]]:
    """``input`` and ``target`` (the whole chain of thought) of a task's exemplars."""
    found = importlib.util.find_spec("lm_eval")
    if found is None or not found.submodule_search_locations:
        pytest.skip("needs lm-eval's files for its exemplars")
    file = Path(found.submodule_search_locations[0]) / "tasks/bbh/cot_fewshot" / f"{task}.yaml"
    content: dict[str, Any] = yaml.load(file.read_text(encoding="utf-8"), Loader=Loader)
    return list(content["fewshot_config"]["samples"])


def reasoning(task: str) -> list[str]:
    return [sample["target"].rpartition(CONCLUSION)[0] for sample in exemplars(task)]


def space_of(task: str, question: str) -> Space:
    options = re.findall(r"^\([A-Z]\) ?(.*)$", question.rpartition("Options:")[2], re.MULTILINE)
    return Space("option", tuple(options)) if TASKS[task].form == "option" else TASKS[task]


def right_by_the_rule(reply: str, target: str) -> bool:
    said = reply.split("\n\nQ:")[0].strip().rpartition("answer is ")[2].strip()
    return said.removesuffix(".") == target


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_whole_exemplar_is_right_and_one_cut_off_in_the_middle_is_not_read(task: str) -> None:
    for sample in exemplars(task):
        space = space_of(task, sample["input"])
        body, _, target = sample["target"].rpartition(CONCLUSION)
        assert reaches(read(sample["target"], space), space, [target.removesuffix(".")])
        whole = body.rstrip()
        sentence = max(whole.rfind(". ", 0, -1), whole.rfind("\n"), 0)
        cuts = [body[: match.start()] for match in re.finditer(r"\s", body[:sentence])]
        lucky = sum(reaches(read(cut, space), space, [target.removesuffix(".")]) for cut in cuts)
        assert lucky <= 0.04 * len(cuts), (task, lucky, len(cuts))


def replies(task: str, prompt: Prompt, others: list[str], rng: Random) -> list[str]:
    """As a model might reply: right or wrong, direct or reasoned, running on or cut off."""
    answer = prompt.query.target if rng.random() < 0.5 else rng.choice(others)
    thought = rng.choice(reasoning(task))
    more = f"\n\nQ: {prompt.query.text}\nA: {CONCLUSION}{prompt.query.target}."
    return [
        f"{answer}",
        f" {answer}\n\nQ: {prompt.query.text}\nA: {prompt.query.target}",
        f"{thought}{CONCLUSION}{answer}.",
        f"{thought}{CONCLUSION}{answer}",
        f"{thought}{CONCLUSION}{answer}.{more}",
        thought[: int(0.7 * len(thought))],
    ]


@pytest.mark.parametrize("task", sorted(TASKS))
def test_the_reader_marks_every_such_reply_as_the_published_rule_does(task: str, shared: Path) -> None:
    prompts = list(evaluator("bbh", path=shared / "bbh", tasks=(task,), protocols=("robust",)).prompts())
    others, rng = [p.query.target or "" for p in prompts], Random(task)
    right = count = 0
    for prompt in prompts[::5]:
        meta, target = prompt.query.meta, prompt.query.target or ""
        space = Space(meta["form"], tuple(meta["options"]), meta["synonyms"])
        for reply in replies(task, prompt, others, rng):
            rule = right_by_the_rule(reply, target)
            assert reaches(read(reply, space), space, meta["targets"]) == rule, (reply, target)
            right, count = right + rule, count + 1
    assert 0.3 < right / count < 0.8
