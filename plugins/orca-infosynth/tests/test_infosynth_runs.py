"""The audit of a real student on real questions, all found through the hooks."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from orca_core.plugins import load
from orca_core.testing import make_context

SHAPE = {"hidden_size": 32, "layers": 1, "heads": 2, "intermediate_size": 64, "vocab_size": 512}
STUDENT = {"name": "lightning", "model": SHAPE, "threads": 1, "generation": {"max_new_tokens": 12}}


class Parts:
    """Makes components of the installed plugins by their names."""

    def __init__(self, cache: Path) -> None:
        self.plugins, self.context = load(), make_context(cache, make=self)

    def __call__(self, kind: str, node: dict[str, Any]) -> Any:
        component = self.plugins.find(kind, node["name"]).component
        config = component.config(**{key: value for key, value in node.items() if key != "name"})
        return component.build(config, self.context)


def test_a_random_model_is_audited_on_gsm8k(tmp_path: Path, shared: Path) -> None:
    parts = Parts(tmp_path)
    rows = {"kind": "cot", "path": shared / "flan_cot/gsm8k_train.tsv", "inversions": False}
    sampler = {"name": "flan", "collections": {"cot": {"source": rows, "n": 30}}}
    prompts = parts("sampler", sampler).sample()
    student = parts("student", STUDENT)
    student.fit(parts("teacher", {"name": "reference"}).respond(islice(prompts, 10)), epochs=0, init=None, out=tmp_path)
    audit = {"name": "openness", "of": sampler, "questions": 20, "samples": 3, "signal": {"name": "verdict"}}
    evaluator = parts("evaluator", audit)
    traces = list(student.load(tmp_path / "checkpoint").respond(evaluator.prompts()))
    assert len({trace.text for trace in traces}) > 50
    assert all((trace.logprob or 0) < 0 for trace in traces)
    bits = next(score for score in evaluator.score(traces) if score.metric == "open_bits")
    assert (bits.task, bits.n, bits.value) == ("verdict", 60, 0)  # it is never right: there is nothing to tell
    assert bits.note == "not shown to be open; p = 1; beyond task, confidence, vote share and majority"
