"""The evaluator ``openness``: what opens a loop and what does not, closed forms, and what it says of a signal."""

from __future__ import annotations

import json
from dataclasses import replace
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import orca_infosynth
import pytest
from infosynth_pools import Sums, answered, context, openness
from orca_infosynth.__main__ import ordered, read, table
from orca_infosynth.audit import Pool, efficiency, excess_bits

from orca_core import Score, Trace, UserError
from orca_core.testing import build, check_evaluator, check_plugin

VERDICT = {"name": "verdict"}


def scores(signal: dict[str, Any], traces: list[Trace] | None = None, **config: Any) -> dict[str, Score]:
    evaluator = openness(signal, **config)
    return {score.metric: score for score in evaluator.score(traces or answered(evaluator.prompts()))}


def h2(p: float) -> float:
    return 0.0 if p in (0, 1) else -p * log2(p) - (1 - p) * log2(1 - p)


def test_the_plugin_keeps_the_contract() -> None:
    names = sorted(component.name for component in check_plugin(orca_infosynth))
    assert names == ["bits", "confident", "majority", "openness", "verdict"]


def test_the_evaluator_keeps_the_contract() -> None:
    check_evaluator(openness(VERDICT, questions=5))
    check_evaluator(openness(VERDICT, questions=5), lambda prompt: str(prompt.sample))


def test_it_draws_samples_of_the_first_questions() -> None:
    prompts = list(openness(VERDICT, questions=3, samples=4, temperature=0.7).prompts())
    assert [prompt.sample for prompt in prompts] == [0, 1, 2, 3] * 3
    assert {prompt.decoding["temperature"] for prompt in prompts} == {0.7}
    assert len({prompt.query.id for prompt in prompts}) == 3


@pytest.mark.parametrize("name", ["majority", "confident", "finished"])
def test_what_the_model_thinks_itself_opens_nothing(name: str) -> None:
    found = scores({"name": name})["open_bits"]
    assert (found.value, found.ci95) == (0, (0, 0))
    assert found.note.startswith("not shown to be open; p = 1")


def test_a_verifier_opens_the_loop_and_a_noisy_one_a_little() -> None:
    exact, noisy, guessing = (scores({**VERDICT, "flip": flip})["open_bits"] for flip in (0.0, 0.3, 0.5))
    assert scores(VERDICT, permutations=20)["open_bits"].note.startswith("not shown")  # so few cannot show p < 0.01
    assert exact.value > 0.4 > 4 * noisy.value > 0.1
    assert exact.note == "open; p = 0.00498; beyond task, confidence, vote share and majority"
    assert abs(guessing.value - (guessing.chance or 0)) < 0.01
    assert guessing.note.startswith("not shown")
    assert exact.ci95[0] < exact.value < exact.ci95[1]
    assert abs(exact.chance or 0) < 0.03
    assert exact.n == 960
    assert exact.format_ok == 1


def test_an_exact_verdict_tells_all_that_the_opinion_leaves_open() -> None:
    """I(C;S|Z) = H(C|Z) where S is C: never more than H(C), and less the more the model knows itself."""
    traces = answered(openness(VERDICT).prompts())
    unsure = [replace(trace, logprob=None) for trace in traces]
    plain = np.mean([trace.correct for trace in traces])
    with_confidence, without = scores(VERDICT, traces)["open_bits"], scores(VERDICT, unsure)["open_bits"]
    assert with_confidence.value < without.value < h2(float(plain))
    assert "confidence" in with_confidence.note
    assert "confidence" not in without.note


def pool(answer: list[int], signal: list[int], truth: list[int]) -> Pool:
    """Two questions alike, of these distinct responses."""
    n = len(answer)
    both = [np.array(column * 2) for column in (answer, signal, truth)]
    question, nothing = np.arange(2).repeat(n), np.zeros(2 * n, dtype=np.int64)
    return Pool(question, question, np.arange(2 * n), both[0], both[2], both[1], nothing, {})


@pytest.mark.parametrize(("accepted", "eta"), [(1, 1.0), (2, 0.540), (4, 0.254), (8, 0.0)])
def test_efficiency_of_a_stored_reference_by_its_closed_form(accepted: int, eta: float) -> None:
    """eta = 1 - (M / K) H2(1 / M) / H2(1 / K), with classes by verdict and K = 8."""
    truth = [1] * accepted + [0] * (8 - accepted)
    found = efficiency(pool(truth, [1] + [0] * 7, truth))
    assert found is not None
    assert found.value == pytest.approx(1 - accepted / 8 * h2(1 / accepted) / h2(1 / 8), abs=1e-9)
    assert found.value == pytest.approx(eta, abs=5e-4)


def test_efficiency_of_a_verdict_is_one_and_of_one_that_never_varies_none() -> None:
    truth = [1, 0, 1, 0]
    verdict = efficiency(pool([0, 1, 0, 2], truth, truth))
    assert verdict is not None
    assert verdict.value == 1
    assert efficiency(pool([0, 1, 0, 2], [1] * 4, truth)) is None


def test_excess_bits_are_those_of_telling_right_responses_apart() -> None:
    found = excess_bits(pool([0] * 4, [1] * 4, [1, 1, 1, 1]))
    assert found is not None
    assert (found.value, found.n) == (2.0, 2)
    assert excess_bits(pool([0] * 4, [1] * 4, [0] * 4)) is None


def test_a_repeated_response_is_one() -> None:
    one = pool([0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0])
    repeated = replace(one, response=np.array([0, 0, 1, 1, 2, 2, 3, 3]))
    found = excess_bits(repeated)
    assert found is not None
    assert found.value == 0


def test_a_planted_shortcut_is_ranked_above_correctness() -> None:
    """Nine right answers in ten are long, and long ones alone are accepted: the signal tells length better than what is right."""
    evaluator = openness({"name": "finished"})
    traces = answered(evaluator.prompts(), padded=0.1)
    cut = [replace(trace, finish_reason="stop" if len(trace.text) > 99 else "length") for trace in traces]
    found = scores({"name": "finished"}, cut)
    assert found["ratio_length"].value > found["ratio_correctness"].value > 0
    assert "rank 1 of" in found["ratio_length"].note
    assert found["ratio_correctness"].note.endswith("the signal tells length more cheaply")
    honest = scores(VERDICT, traces)
    assert honest["ratio_correctness"].value == pytest.approx(1)
    assert "rank 1 of" in honest["ratio_correctness"].note


def test_questions_without_targets_are_a_mistake_that_says_so() -> None:
    from orca_infosynth import EVALUATOR

    evaluator = build(EVALUATOR, context(Sums(9, targets=False)), of={"name": "sums"}, signal=VERDICT)
    with pytest.raises(UserError, match=r"fewer than two .* have a target"):
        list(evaluator.score(answered(evaluator.prompts())))


def test_the_table_of_a_sweep_counts_the_pairs_that_bits_and_gains_order_alike(tmp_path: Path) -> None:
    for place, (loop, seed, bits, after) in enumerate(
        [("none", 0, 0.0, 0.3), ("noisy", 0, 0.1, 0.45), ("exact", 0, 0.6, 0.4), ("exact", 1, 0.5, 0.9)]
    ):
        rows = [("loop", "open_bits", bits), ("loop", "accuracy", 0.4), ("student", "accuracy", after)]
        found = [{"subject": s, "metric": m, "value": v, "task": "t", "note": "open; p"} for s, m, v in rows]
        (tmp_path / str(place)).mkdir()
        report = {"scores": found, "overrides": [f"loop={loop}", "+experiment=x"], "config": {"seed": seed}}
        (tmp_path / str(place) / "report.json").write_text(json.dumps(report))
    loops = read(tmp_path)
    assert ordered(loops) == (2, 3)
    assert "| exact | 0.550 | 2 of 2 | 40.0 | 65.0 | **+25.0** (+0.0, +50.0) |" in table(loops)
    with pytest.raises(UserError, match="no finished job"):
        read(tmp_path / "0")
