"""The contract checks: what is right passes, and each breach is caught and named."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orca_core import Estimate, Prompt, Query, Score, Trace
from orca_core.builtin import orca_samplers, orca_selectors, orca_teachers
from orca_core.testing import (
    build,
    check_evaluator,
    check_plugin,
    check_responder,
    check_sampler,
    check_selector,
    check_student,
    make_context,
    make_prompts,
)

GOOD = '''
from pydantic import Field
from orca_core import Component, Config, hookimpl, unkeyed

class EchoConfig(Config):
    """Says it again."""
    times: int = Field(1, ge=1, description="how often")

def make(config, context):
    return None

@hookimpl
def orca_teachers():
    return [Component("echo", EchoConfig, make)]
'''
BREACHES = {
    "did you mean 'orca_teachers'": ("def orca_teachers", "def orca_teacher"),
    "is not marked": ("@hookimpl\n", ""),
    "has no hook": ("def orca_teachers", "def teachers"),
    "not an orca_core.Component": ('[Component("echo", EchoConfig, make)]', "[EchoConfig]"),
    "not a list of components": ('[Component("echo", EchoConfig, make)]', "None"),
    "offers nothing": ('[Component("echo", EchoConfig, make)]', "[]"),
    "offers 'echo' twice": ("EchoConfig, make)]", 'EchoConfig, make), Component("echo", EchoConfig, make)]'),
    "use small letters": ('"echo"', '"My Echo"'),
    "start at 1": ("EchoConfig, make)", "EchoConfig, make, version=0)"),
    "is no orca_core.Config": ("EchoConfig(Config)", "EchoConfig(__import__('pydantic').BaseModel)"),
    "has no docstring": ('"""Says it again."""', ""),
    r"echo\.times has no description": (', description="how often"', ""),
    "its defaults are not valid": ("Field(1, ge=1", "Field(0, ge=1, validate_default=True"),
    "would hide the component's name": ("times: int", "name: int"),
    "typing errors would go unseen": ('"""Says it again."""', '"""Says."""\n    model_config = {"extra": "allow"}'),
    "imports datasets": ("from pydantic", "import datasets\nfrom pydantic"),
    "importing .* fails": (
        "from pydantic",
        "import sys\nif 'pytest' not in sys.modules: raise OSError('no')\nfrom pydantic",
    ),
    "does not start with pkg://": (
        "@hookimpl\n",
        "@hookimpl\ndef orca_config_paths():\n    return ['conf']\n\n@hookimpl\n",
    ),
    "No module named 'nowhere'": (
        "@hookimpl\n",
        "@hookimpl\ndef orca_config_paths():\n    return ['pkg://nowhere.conf']\n\n@hookimpl\n",
    ),
}


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes a plugin module with some text replaced and returns its name; ``datasets`` is an empty module beside it."""
    numbers = itertools.count()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "datasets", raising=False)
    (tmp_path / "datasets.py").write_text("")

    def write(old: str = "", new: str = "") -> str:
        assert old in GOOD
        name = f"contract_plugin_{abs(hash(tmp_path))}_{next(numbers)}"
        (tmp_path / f"{name}.py").write_text(GOOD.replace(old, new, 1) if old else GOOD)
        return name

    yield write
    sys.modules.pop("datasets", None)


def test_a_good_plugin_passes(plugin):
    assert [component.name for component in check_plugin(plugin())] == ["echo"]


def test_a_config_that_requires_a_value_passes(plugin):
    check_plugin(plugin("Field(1, ", "Field("))


@pytest.mark.parametrize("complaint", BREACHES)
def test_each_breach_of_the_plugin_contract_is_named(plugin, complaint):
    with pytest.raises((AssertionError, TypeError), match=complaint):
        check_plugin(plugin(*BREACHES[complaint]))


def test_presets_need_a_package_and_a_yaml_file(plugin, tmp_path):
    package = tmp_path / f"presets_{abs(hash(tmp_path))}"
    hook = f"@hookimpl\ndef orca_config_paths():\n    return ['pkg://{package.name}']\n\n@hookimpl\n"
    (package / "teacher").mkdir(parents=True)
    with pytest.raises(AssertionError, match=r"needs an __init__\.py"):
        check_plugin(plugin("@hookimpl\n", hook))
    (package / "__init__.py").write_text("")
    with pytest.raises(AssertionError, match="no YAML file"):
        check_plugin(plugin("@hookimpl\n", hook))
    (package / "teacher" / "loud.yml").write_text("times: 2\n")
    with pytest.raises(AssertionError, match=r"only \.yaml"):
        check_plugin(plugin("@hookimpl\n", hook))
    (package / "teacher" / "loud.yml").rename(package / "teacher" / "loud.yaml")
    check_plugin(plugin("@hookimpl\n", hook))


class Answers:
    """A responder whose answers a function changes."""

    def __init__(self, change: Callable[[Iterator[Trace]], Any] = lambda traces: traces) -> None:
        self.change = change

    def respond(self, prompts: Any) -> Any:
        yield from self.change(Trace(prompt, "answer", model="m") for prompt in prompts)


def test_a_good_responder_passes():
    assert len(check_responder(Answers())) == 8


@pytest.mark.parametrize(
    ("complaint", "change"),
    [
        ("not one trace per prompt", lambda traces: itertools.islice(traces, 1, None)),
        ("not one trace per prompt", lambda traces: (twin for trace in traces for twin in (trace, trace))),
        ("traces without prompts", lambda traces: list(traces) or [Trace(make_prompts(1)[0], "", model="m")]),
        ("read all of", lambda traces: iter(list(traces))),
        ("model is empty", lambda traces: (replace(trace, model="") for trace in traces)),
        ("finish_reason is 'done'", lambda traces: (replace(trace, finish_reason="done") for trace in traces)),
        ("text is NoneType", lambda traces: (replace(trace, text=None) for trace in traces)),
        ("choice_logprobs", lambda traces: (replace(trace, choice_logprobs=(-1.0,)) for trace in traces)),
        ("yields str", lambda traces: (trace.text for trace in traces)),
    ],
)
def test_each_breach_of_the_responder_contract_is_named(complaint, change):
    with pytest.raises(AssertionError, match=complaint):
        check_responder(Answers(change))


def test_an_estimate_of_more_than_was_asked_is_named():
    class Boastful(Answers):
        def estimate(self, prompts: Any) -> Estimate:
            return Estimate(len(list(prompts)) + 1)

    with pytest.raises(AssertionError, match="estimate of 8"):
        check_responder(Boastful())


class Draws:
    def __init__(self, *prompts: Prompt) -> None:
        self.prompts_ = prompts

    def sample(self) -> Iterator[Prompt]:
        return iter(self.prompts_)


def test_the_sampler_contract():
    sums = make_prompts(4)
    assert check_sampler(lambda: Draws(*sums)) == sums
    turns = itertools.cycle([sums, sums[::-1]])
    with pytest.raises(AssertionError, match="gave other prompts"):
        check_sampler(lambda: Draws(*next(turns)))
    with pytest.raises(AssertionError, match="a prompt twice"):
        check_sampler(lambda: Draws(sums[0], sums[0]))
    with pytest.raises(AssertionError, match="nothing"):
        check_sampler(Draws)
    with pytest.raises(AssertionError, match="no text"):
        check_sampler(lambda: Draws(Prompt(Query("", task="t"))))


class Selects:
    def __init__(self, select: Callable[[Any], Any]) -> None:
        self.select = select


def test_the_selector_contract():
    traces = [Trace(prompt, "", model="m") for prompt in make_prompts(4)]
    check_selector(Selects(lambda traces: ((trace, None) for trace in traces)), traces)
    with pytest.raises(AssertionError, match="not every trace once"):
        check_selector(Selects(lambda traces: ((trace, None) for trace in list(traces)[1:])), traces)
    with pytest.raises(AssertionError, match="not every trace once"):
        check_selector(Selects(lambda traces: ((trace, None) for trace in list(traces)[::-1])), traces)
    with pytest.raises(AssertionError, match="the reason for trace"):
        check_selector(Selects(lambda traces: ((trace, "") for trace in traces)), traces)


class Exam:
    """An evaluator by exact match, with its score changed."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    def prompts(self) -> Iterator[Prompt]:
        return iter(make_prompts(4))

    def score(self, traces: Any) -> Iterator[Score]:
        items = {trace.prompt.id: float(trace.text == trace.prompt.query.target) for trace in traces}
        value = sum(items.values()) / len(items)
        yield replace(Score("sums", "accuracy", value, len(items), (0.0, 1.0), items=items), **self.changes)


def test_the_evaluator_contract():
    check_evaluator(Exam())
    check_evaluator(Exam(), answer=lambda prompt: "wrong")
    with pytest.raises(AssertionError, match="n is 9"):
        check_evaluator(Exam(n=9))
    with pytest.raises(AssertionError, match="not within its interval"):
        check_evaluator(Exam(ci95=(0.1, 0.2)))
    with pytest.raises(AssertionError, match="no prompts"):
        check_evaluator(Exam(items={"nobody": 1.0}))


class Memory:
    """A student that learns by heart."""

    def __init__(self, config: str = "config.json") -> None:
        self.config = config

    def fit(self, examples: Any, *, epochs: int, init: Path | None, out: Path) -> None:
        (out / "checkpoint").mkdir()
        (out / "checkpoint" / self.config).write_text("{}")

    def load(self, checkpoint: Path) -> Answers:
        return Answers()


def test_the_student_contract(tmp_path):
    examples = [Trace(prompt, "", model="m") for prompt in make_prompts(4)]
    (tmp_path / "good").mkdir()
    check_student(Memory(), examples, tmp_path / "good")
    (tmp_path / "bad").mkdir()
    with pytest.raises(AssertionError, match=r"no checkpoint/config\.json"):
        check_student(Memory("weights.bin"), examples, tmp_path / "bad")


def test_the_built_in_components_keep_the_contract(tmp_path):
    check_plugin("orca_core.builtin")
    assert orca_samplers()
    assert orca_teachers()
    for component in orca_selectors():
        traces = [Trace(prompt, "text", model="m") for prompt in make_prompts(4)]
        check_selector(build(component, make_context(tmp_path)), traces)
