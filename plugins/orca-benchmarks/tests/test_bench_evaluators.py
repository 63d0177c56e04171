"""The evaluators as the core builds them, on small made-up files in the published formats."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orca_benchmarks
import pytest
from fake_hub import FakeHub
from orca_benchmarks.references import published
from pydantic import ValidationError

from orca_core import Prompt, Trace
from orca_core.errors import UserError
from orca_core.testing import check_evaluator, check_plugin

sys.path.insert(0, str(Path(__file__).parent))
from bench_data import (
    AGIEVAL,
    BBH,
    COMPONENTS,
    FIRST_TASK,
    ROWS,
    by_metric,
    choosing,
    evaluator,
    oracle,
    scored,
    write_bbh,
    write_lines,
)

ALL = ("paper", "robust", "likelihood")


@pytest.fixture
def bbh(tmp_path: Path) -> dict[str, Any]:
    return {"path": write_bbh(tmp_path / "bbh"), "tasks": tuple(BBH)}


@pytest.fixture
def agieval(tmp_path: Path) -> dict[str, Any]:
    return {"path": write_lines(tmp_path / "agieval"), "tasks": tuple(AGIEVAL)}


def texts(suite: str, **config: Any) -> dict[str, str]:
    """The first prompt of every task."""
    found: dict[str, str] = {}
    for prompt in evaluator(suite, **config).prompts():
        found.setdefault(prompt.query.task, prompt.query.text)
    return found


def test_the_plugin_keeps_the_contract(bbh: dict[str, Any], agieval: dict[str, Any]) -> None:
    names = [component.name for component in check_plugin(orca_benchmarks)]
    assert names == ["bbh", "agieval", "truthfulqa", "mmlu", "arc", "hellaswag", "race", "gsm8k", "drop", "toxigen"]
    check_evaluator(evaluator("bbh", protocols=ALL, both_readers=True, **bbh))
    check_evaluator(evaluator("agieval", protocols=ALL, both_readers=True, **agieval))


def test_the_papers_prompt_spelled_out_for_every_form(bbh: dict[str, Any], agieval: dict[str, Any]) -> None:
    assert texts("bbh", protocols=("paper",), **bbh) == {
        "date_understanding": (
            "Q: It is May 1. Which day is tomorrow? Answer Choices: (A) May 2 (B) May 3 (C) June 1\n"
            "A: Among A through C, the answer is"
        ),
        "formal_fallacies": (
            "Q: All owls fly.\nIs it valid? Answer Choices: (A) valid (B) invalid\nA: Among A through B, the answer is"
        ),
        "navigate": (
            "Q: Do you return? Take 0 steps. Answer Choices: (A) Yes (B) No\nA: Among A through B, the answer is"
        ),
        "sports_understanding": (
            'Q: Is the following sentence plausible? "Ada Bo scored." Answer Choices: (A) yes (B) no\n'
            "A: Among A through B, the answer is"
        ),
    }
    assert texts("agieval", protocols=("paper",), **agieval) == {
        "lsat-rc": (
            "Owls see by night.Q: When do owls see? Answer Choices: (A)never (C)by day (B)by night D at noon at dusk\n"
            "A: Among A through E, the answer is"
        ),
        "sat-math": ("Q: What is 1 + 1? Answer Choices: (A)2 (B)3 (C)4 (D)5\nA: Among A through D, the answer is"),
    }


def test_the_robust_prompt_spelled_out_for_every_form(bbh: dict[str, Any], agieval: dict[str, Any]) -> None:
    asked = texts("bbh", protocols=("robust",), **bbh)
    assert asked == {task: BBH[task][0]["input"] for task in BBH}
    assert texts("agieval", protocols=("robust",), **agieval) == {
        "lsat-rc": (
            "Owls see by night.\n\nWhen do owls see?\nOptions:\n(A) never\n(B) by night\n(C) by day\n(D) at noon\n(E) at dusk"
        ),
        "sat-math": "What is 1 + 1?\nOptions:\n(A) 2\n(B) 3\n(C) 4\n(D) 5",
    }


def test_each_protocol_decodes_as_it_prescribes(bbh: dict[str, Any]) -> None:
    prompts = list(evaluator("bbh", protocols=ALL, system="Be brief.", max_tokens=9, **bbh).prompts())
    decodings = {p.query.meta["protocol"]: p.decoding for p in prompts}
    assert decodings == {
        "paper": {"temperature": 0.7, "max_tokens": 9},
        "robust": {"temperature": 0.0, "max_tokens": 9},
        "likelihood": {},
    }
    assert {p.system for p in prompts} == {"Be brief."}
    assert {p.system for p in evaluator("bbh", **bbh).prompts()} == {""}
    assert {p.query.meta["protocol"]: p.choices for p in prompts if p.query.task == "navigate"} == {
        "paper": (),
        "robust": (),
        "likelihood": ("Yes", "No"),
    }


def test_free_answers_are_asked_by_the_robust_protocol_alone(bbh: dict[str, Any]) -> None:
    scores = scored("bbh", oracle, protocols=ALL, **bbh)
    asked = {task: {s.metric for s in scores if s.task == task} for task in BBH}
    for task in ("object_counting", "dyck_languages", "word_sorting"):
        assert asked[task] == {"accuracy (robust)"}
    assert asked["navigate"] == {
        "accuracy (paper)",
        "accuracy (robust)",
        "accuracy (likelihood)",
        "accuracy (likelihood per character)",
        "points above Orca-13B (paper)",
    }
    assert {s.value for s in scores if s.metric.startswith("accuracy")} == {1.0}


def test_scores_tell_format_chance_majority_and_published_figures(bbh: dict[str, Any]) -> None:
    replies = {"Yes": "So the answer is no.", "No": "Hard to say."}
    scores = by_metric(
        scored(
            "bbh",
            choosing(lambda p: replies.get(p.query.target or "", "First, B")),
            protocols=("paper", "robust"),
            **(bbh | {"tasks": ("navigate",)}),
        )
    )
    robust, paper = scores["navigate", "accuracy (robust)"], scores["navigate", "accuracy (paper)"]
    assert (robust.n, robust.value, robust.chance) == (3, 0.0, 0.5)
    assert robust.format_ok == pytest.approx(1 / 3)
    assert (paper.value, paper.format_ok) == (pytest.approx(2 / 3), 1.0)
    assert paper.references == {
        "majority": pytest.approx(2 / 3),
        "ChatGPT": 0.556,
        "GPT-4": 0.688,
        "Vicuna-13B": 0.464,
        "Orca-13B": 0.576,
    }
    distance = scores["navigate", "points above Orca-13B (paper)"]
    assert distance.value == pytest.approx(100 * (2 / 3 - 0.576))
    assert distance.ci95 == tuple(pytest.approx(100 * (bound - 0.576)) for bound in paper.ci95)


def test_both_readers_read_the_same_answers(bbh: dict[str, Any]) -> None:
    config = bbh | {"tasks": ("date_understanding",), "both_readers": True}
    reply = choosing(lambda p: f"Based on this, the answer is {p.query.target}")
    scores = by_metric(scored("bbh", reply, **config))
    values = {metric: score.value for (_, metric), score in scores.items()}
    assert values == {
        "accuracy (paper)": 0.5,
        "accuracy (paper's answers, robust reader)": 1.0,
        "accuracy (robust)": 1.0,
        "accuracy (robust answers, paper's reader)": 0.5,
        "points above Orca-13B (paper)": pytest.approx(0.0),
    }


def test_the_papers_reader_knows_a_to_f_on_agieval_and_the_items_own_letters_on_bbh(
    bbh: dict[str, Any], agieval: dict[str, Any]
) -> None:
    reply = choosing(lambda p: f"First of all: {(p.query.target or '').strip('()')}")
    for suite, config, share in (("agieval", agieval, 0.0), ("bbh", bbh | {"tasks": ("date_understanding",)}, 1.0)):
        scores = scored(suite, reply, **(config | {"protocols": ("paper",)}))
        assert {s.value for s in scores if s.metric.startswith("accuracy")} == {share}


def test_likelihoods_are_compared_as_they_are_and_by_the_character(tmp_path: Path) -> None:
    rows = {"hellaswag": [ROWS["hellaswag"]]}
    config: dict[str, Any] = {"path": write_lines(tmp_path / "h", rows), "protocols": ("likelihood",)}
    [prompt] = evaluator("hellaswag", **config).prompts()
    assert prompt.choices == ("flies.", "takes out a cake.", "sings.")
    assert prompt.query.text == "Baking: A man opens the oven. He"
    trace = Trace(prompt, "", "m", choice_logprobs=(-6.0, -8.0, -7.0))
    scores = by_metric(evaluator("hellaswag", **config).score([trace]))
    assert scores["hellaswag", "accuracy (likelihood)"].value == 0.0
    assert scores["hellaswag", "accuracy (likelihood per character)"].value == 1.0
    [labelled] = evaluator("hellaswag", **config, scored="labels").prompts()
    assert labelled.choices == ("(A)", "(B)", "(C)")
    assert labelled.query.text.endswith("\nOptions:\n(A) flies.\n(B) takes out a cake.\n(C) sings.")


def test_a_draw_is_seeded_and_of_the_size_asked_for(bbh: dict[str, Any]) -> None:
    config = bbh | {"tasks": ("navigate",), "protocols": ("robust",)}
    draws = [[p.query.text for p in evaluator("bbh", n=1, seed=seed, **config).prompts()] for seed in (*range(9), 0)]
    assert draws[0] == draws[-1]
    assert len({text for [text] in draws}) > 1
    with pytest.raises(UserError, match="navigate: has 3 items, 4 were asked for"):
        list(evaluator("bbh", n=4, **config).prompts())


def test_exemplars_come_before_the_question_and_are_not_asked_themselves(bbh: dict[str, Any]) -> None:
    config = bbh | {"tasks": ("sports_understanding",), "protocols": ("robust",)}
    [prompt] = evaluator("bbh", shots=1, **config).prompts()
    first, second = (example["input"] for example in BBH["sports_understanding"])
    assert prompt.query.text in (f"Q: {first}\nA: yes\n\nQ: {second}\nA:", f"Q: {second}\nA: no\n\nQ: {first}\nA:")
    assert prompt.decoding == {"temperature": 0.0, "stop": ["\n\nQ:"]}
    with pytest.raises(UserError, match="has 2 items, 2 cannot be exemplars"):
        list(evaluator("bbh", shots=2, **config).prompts())
    with pytest.raises(UserError, match="come without explanations"):
        list(evaluator("bbh", shots=1, steps=True, **config).prompts())


def test_a_chain_of_thought_is_asked_for_by_form(bbh: dict[str, Any], tmp_path: Path) -> None:
    asked = texts("bbh", steps=True, protocols=("robust",), **bbh)
    for task, ending in (("navigate", "X."), ("date_understanding", "(X)."), ("object_counting", "N.")):
        step = f"\n\nLet's think step by step. End with: the answer is {ending}"
        assert asked[task] == BBH[task][0]["input"] + step
    rows = [ROWS["gsm8k"], ROWS["gsm8k"] | {"question": "One and one?", "answer": "It is two.\n#### 2"}]
    path = write_lines(tmp_path / "g", {"gsm8k": rows})
    [prompt] = evaluator("gsm8k", path=path, shots=1, steps=True, seed=1, protocols=("robust",)).prompts()
    worked = {
        "Two and two?": "Two and two are 4. So the answer is 4.",
        "One and one?": "It is two. So the answer is 2.",
    }
    forms = [
        f"Q: {shown}\nA: Let's think step by step.\n{answer}\n\nQ: {other}\nA: Let's think step by step."
        for (shown, answer), other in zip(worked.items(), reversed(worked), strict=True)
    ]
    assert prompt.query.text in forms


def test_exemplars_that_are_written_out_stand_before_every_question(bbh: dict[str, Any], tmp_path: Path) -> None:
    shown = tmp_path / "cot-prompts"
    shown.mkdir()
    config = bbh | {"tasks": ("navigate",), "protocols": ("robust",), "exemplars": shown}
    with pytest.raises(UserError, match=r"navigate\.txt: cannot be read: No such file"):
        list(evaluator("bbh", **config).prompts())
    (shown / "navigate.txt").write_text("nothing of use")
    with pytest.raises(UserError, match=r"navigate\.txt: holds no exemplars"):
        list(evaluator("bbh", **config).prompts())
    (shown / "navigate.txt").write_text("CANARY\n-----\nDo you return?\n\nQ: Take 1 step.\nA: So the answer is No.\n")
    prompts = list(evaluator("bbh", **config).prompts())
    assert len(prompts) == 3
    assert prompts[0].query.text == (
        "Do you return?\n\nQ: Take 1 step.\nA: So the answer is No.\n\n"
        f"Q: {BBH['navigate'][0]['input']}\nA: Let's think step by step.\n"
    )


@pytest.mark.parametrize("suite", sorted(ROWS))
def test_every_other_benchmark_is_read_asked_and_scored(suite: str, tmp_path: Path) -> None:
    task = FIRST_TASK.get(suite, suite)
    config: dict[str, Any] = {"path": write_lines(tmp_path / suite, {task: [ROWS[suite]]}), "tasks": (task,)}
    part = evaluator(suite, protocols=ALL, **config)
    check_evaluator(part)
    free = suite in ("gsm8k", "drop")
    scores = scored(suite, oracle, protocols=ALL, **config)
    assert {score.value for score in scores} == {1.0}
    assert {score.chance for score in scores} == {0.0 if free else 1 / len(next(iter(part.prompts())).query.choices)}
    assert len(scores) == (1 if free else 4)


def test_truthfulqas_options_are_shuffled_by_the_question_alone(tmp_path: Path) -> None:
    rows = [ROWS["truthfulqa"] | {"question": f"Do {i} owls vote?"} for i in range(60)]
    config: dict[str, Any] = {"protocols": ("robust",)}
    there = [write_lines(tmp_path / name, {"truthfulqa": order}) for name, order in (("a", rows), ("b", rows[::-1]))]
    one, other = (
        {p.query.text: p.query.target for p in evaluator("truthfulqa", path=p, **config).prompts()} for p in there
    )
    assert one == other
    assert set(one.values()) == {"(A)", "(B)", "(C)"}
    for text, target in one.items():
        assert f"{target} They do not" in text


def test_drop_counts_what_any_annotator_gave(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "d", {"drop": [ROWS["drop"]]})
    for reply, value in (("3", 1.0), ("The answer is 3 miles.", 1.0), ("4", 0.0), ("May 2", 0.0)):
        [score] = scored("drop", choosing(lambda p, reply=reply: reply), path=path, protocols=("robust",))
        assert score.value == value, reply


def test_a_task_outside_the_papers_table_has_no_published_figures() -> None:
    assert published("gsm8k").tasks == {}
    assert "word_sorting" not in published("bbh").tasks


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"tasks": ["navigat"]}, "no task 'navigat'; did you mean 'navigate'"),
        ({"tasks": []}, "name at least one task"),
        ({"protocols": []}, "at least 1 item"),
        ({"protocols": ["papers"]}, "'paper', 'robust' or 'likelihood'"),
        ({"n": 0}, "greater than or equal to 1"),
        ({"shots": -1}, "greater than or equal to 0"),
        ({"shots": 1, "exemplars": "x"}, "give one of them"),
        ({"same": True}, "Extra inputs"),
    ],
)
def test_a_wrong_config_is_refused_with_what_is_allowed(config: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        COMPONENTS["bbh"].config(**config)


def test_groups_of_tasks_have_names() -> None:
    assert COMPONENTS["bbh"].config().tasks == ("multiple-choice",)
    assert COMPONENTS["agieval"].config().tasks == ("all",)
    assert COMPONENTS["bbh"].config(tasks=("all", "navigate")).tasks == ("all", "navigate")


def test_a_dead_letter_is_wrong_and_unread(bbh: dict[str, Any]) -> None:
    def dead(prompt: Prompt) -> Trace:
        return Trace(prompt, "", "m", finish_reason="error", error="no answer")

    scores = scored("bbh", dead, protocols=ALL, **(bbh | {"tasks": ("navigate",)}))
    assert {(s.value, s.format_ok) for s in scores if s.metric.startswith("accuracy")} == {(0.0, 0.0)}


HUB = """
import json, sys
from pathlib import Path
from orca_benchmarks import EVALUATORS
from orca_core.errors import UserError
from orca_core.testing import build, make_context
components = {c.name: c for c in EVALUATORS}
for suite, dataset, tasks in json.loads(sys.argv[1]):
    part = build(components[suite], make_context(Path()), dataset=dataset, tasks=tasks, protocols=("paper",))
    try:
        print(json.dumps([p.query.text for p in part.prompts()]))
    except UserError as error:
        print(json.dumps(str(error)))
"""


def from_hub(hub: FakeHub, directory: Path, *asked: tuple[str, str, list[str]]) -> list[Any]:
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(directory / "hf"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-c", HUB, json.dumps(asked)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_hubs_copies_give_the_same_prompts_as_the_files(
    bbh: dict[str, Any], agieval: dict[str, Any], tmp_path: Path
) -> None:
    """Through the real ``datasets`` to a stand-in for the Hub; the real one could not be reached where this was written."""
    wanted = {
        "bbh": [p.query.text for p in evaluator("bbh", protocols=("paper",), **bbh).prompts()],
        "agieval": [p.query.text for p in evaluator("agieval", protocols=("paper",), **agieval).prompts()],
    }
    card = ["---", "configs:"]
    files: dict[str, bytes] = {}
    for task, examples in BBH.items():
        card += [f"- config_name: {task}", "  data_files:", "  - split: test", f"    path: {task}/test.jsonl"]
        files[f"{task}/test.jsonl"] = "".join(json.dumps(example) + "\n" for example in examples).encode()
    files["README.md"] = "\n".join([*card, "---", ""]).encode()
    with FakeHub().serving() as hub:
        hub.files["me/bbh"], hub.private["me/bbh"] = files, False
        for task, rows in AGIEVAL.items():
            prompts = [p.query for p in evaluator("agieval", protocols=("paper",), **agieval).prompts()]
            made = [
                {"query": query.text, "choices": row["options"], "gold": [query.meta["gold"]]}
                for query, row in zip([q for q in prompts if q.task == task], rows, strict=True)
            ]
            content = "".join(json.dumps(row) + "\n" for row in made).encode()
            hub.files[f"me/agieval-{task}"], hub.private[f"me/agieval-{task}"] = {"test.jsonl": content}, False
        files_of_bbh, files_of_agieval, missing = from_hub(
            hub,
            tmp_path,
            ("bbh", "me/bbh", list(BBH)),
            ("agieval", "me/agieval-{task}", list(AGIEVAL)),
            ("bbh", "me/nothing", ["navigate"]),
        )
    assert files_of_bbh == wanted["bbh"]
    assert files_of_agieval == wanted["agieval"]
    assert missing.startswith("me/nothing (navigate), split test:")
    assert missing.endswith("path= reads the same data from files")
