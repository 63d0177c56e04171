"""The weights and losses by themselves: the paper's table, and the limits in which they are something known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_lightning.methods import WeightMeter, weighted_sum
from orca_rasft import Window
from orca_rasft.advantages import Tally, advantages, distinct
from orca_rasft.objectives import dft_weights, kl_divergence, proximal_loss, rasft_weights, sequence_ratios
from orca_rasft.window import shares
from torch.nn.functional import cross_entropy

TABLE = [
    (3, 0, 1.0, 0.0),
    (3, 1, 0.278, 0.0087),
    (3, 2, 0.155, 0.0050),
    (3, 3, 1.0, 0.0),
    (4, 0, 1.0, 0.0),
    (4, 1, 0.313, 0.0152),
    (4, 2, 0.189, 0.0089),
    (4, 3, 0.114, 0.0051),
    (4, 4, 1.0, 0.0),
]


@pytest.mark.parametrize(("answers", "right", "expert", "own"), TABLE)
def test_the_released_weights_are_those_of_the_table(answers: int, right: int, expert: float, own: float) -> None:
    found = advantages(Tally(answers, right, answers - right), "released")
    assert found == (pytest.approx(expert, abs=6e-4), pytest.approx(own, abs=6e-5))


def test_problems_that_are_always_solved_can_be_let_go() -> None:
    solved = Tally(4, 4, 0)
    assert advantages(solved, "released", "floor") == (0.05, 0.05)
    assert advantages(solved, "released", "skip") == (0.0, 0.0)
    nearly = Tally(4, 3, 1)
    assert advantages(nearly, "released", "skip") == advantages(nearly, "released", "released")


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 8).flatmap(lambda k: st.tuples(st.just(k), st.integers(k, 8))))
def test_in_the_papers_words_own_answers_have_the_share_of_the_pass_rate(counts: tuple[int, int]) -> None:
    right, answers = counts
    expert, own = advantages(Tally(answers, right, 0), "paper")
    assert own * right == pytest.approx(right / answers)
    assert expert == pytest.approx(max(0.05, 1 - right / answers))


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n), st.integers(0, 3))))
def test_released_weights_imitate_the_expert_most_and_wrong_answers_never(counts: tuple[int, int, int]) -> None:
    right, answers, wrong = counts
    expert, own = advantages(Tally(answers, right, min(wrong, answers - right)), "released")
    assert expert >= own >= 0


def test_the_control_drops_the_expert_wherever_an_own_answer_is_right() -> None:
    assert advantages(Tally(4, 2, 2), "rejection") == (0.0, 0.5)
    assert advantages(Tally(4, 0, 4), "rejection") == (1.0, 0.0)


def test_answers_that_are_much_alike_are_one() -> None:
    long = "one two three four five six seven eight nine ten eleven twelve"
    assert distinct([long, f"{long} thirteen", "another thing altogether", long, "5", "5", "6"], 0.82) == [0, 2, 4, 6]


def sequences() -> dict[str, Any]:
    draw = torch.Generator().manual_seed(0)
    ce, ref = (torch.rand(9, generator=draw, dtype=torch.float64) * 3 for _ in range(2))
    return {"ce": ce, "ref": ref, "owner": torch.tensor([0, 0, 0, 1, 1, 3, 3, 3, 3])}


def test_the_ratio_is_of_mean_likelihoods_and_clipped() -> None:
    told = sequences()
    wide = sequence_ratios(**told, count=4, clip=(0, math.inf))
    expected = torch.exp(told["ce"][3:5].mean() - told["ref"][3:5].mean())
    assert wide[1] == pytest.approx(float(expected))
    assert wide[2] == 1, "a sequence without targets"
    narrow = sequence_ratios(**told, count=4, clip=(0.9, 1.1))
    assert torch.equal(narrow, wide.clamp(0.9, 1.1))
    assert not torch.equal(narrow, wide)
    far = sequence_ratios(told["ce"] + 1e6, told["ref"], told["owner"], 4, (0, math.inf))
    assert torch.isfinite(far).all(), "the exponent is bounded before"


def test_with_equal_weights_the_loss_is_plain_cross_entropy() -> None:
    told = sequences()
    weights = rasft_weights(**told, advantage=torch.ones(4, dtype=torch.float64), clip=(1, 1), by_probability=False)
    assert float(weighted_sum(told["ce"], weights)) == pytest.approx(float(told["ce"].sum()), abs=1e-12)


def test_dft_is_rasft_of_experts_alone_that_are_as_likely_as_they_were() -> None:
    told = sequences() | {"ref": sequences()["ce"]}
    weights = rasft_weights(**told, advantage=torch.ones(4, dtype=torch.float64), clip=(0.4, 1.2), by_probability=True)
    torch.testing.assert_close(weights, dft_weights(told["ce"]))


def test_no_gradient_flows_through_a_weight_or_the_reference() -> None:
    told = sequences()
    ce, ref = told["ce"].requires_grad_(), told["ref"].requires_grad_()
    advantage = torch.rand(4, dtype=torch.float64, requires_grad=True)
    weights = rasft_weights(ce, ref, told["owner"], advantage, clip=(0.4, 1.2), by_probability=True)
    weighted_sum(ce, weights).backward()
    assert torch.equal(ce.grad, weights), "the weights themselves, and nothing of their own dependence on the policy"
    assert ref.grad is None
    assert advantage.grad is None


def some_logits(seed: int) -> torch.Tensor:
    return torch.randn(5, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64, requires_grad=True)


def test_gradients_are_those_of_finite_differences() -> None:
    logits, reference, labels = some_logits(0), some_logits(1).detach(), torch.tensor([0, 3, 6, 2, 2])
    constant = torch.rand(5, dtype=torch.float64)

    def ce(x: torch.Tensor) -> torch.Tensor:
        return cross_entropy(x, labels, reduction="none")

    old = ce(logits).detach() + torch.tensor([0.5, -0.5, 0.1, -0.1, 0.0])  # on both sides of the bound
    assert torch.autograd.gradcheck(lambda x: weighted_sum(ce(x), constant), (logits,))
    assert torch.autograd.gradcheck(lambda x: kl_divergence(x, reference).sum(), (logits,))
    assert torch.autograd.gradcheck(lambda x: proximal_loss(ce(x), old, 0.2), (logits,))


def test_the_divergence_from_oneself_is_nothing_and_never_negative() -> None:
    one, other = some_logits(0), some_logits(1)
    assert float(kl_divergence(one, one).abs().max()) < 1e-12
    assert bool((kl_divergence(one, other) > 0).all())


def test_a_target_that_became_likely_enough_is_left_alone_by_proximal_sft() -> None:
    old = torch.tensor([2.0, 2.0, 2.0])
    ce = torch.tensor([2.0, 1.5, 2.5], requires_grad=True)  # as before, 1.65 times as likely, 0.61 times
    proximal_loss(ce, old, 0.2).backward()
    assert ce.grad.tolist() == pytest.approx([1.0, 0.0, math.exp(-0.5)])


def test_the_middle_moves_up_while_training_goes_on() -> None:
    difficulty = np.linspace(0, 1, 101)
    early, late = (shares(Window(), difficulty, difficulty, progress) for progress in (0.0, 1.0))
    assert difficulty[early == 0.35][[0, -1]] == pytest.approx([0.20, 0.45])
    assert difficulty[late == 0.35][[0, -1]] == pytest.approx([0.50, 0.75])
    assert difficulty[early == 0.03][[0, -1]] == pytest.approx([0.46, 0.90])
    assert set(early) == {0.0, 0.03, 0.35}


def test_the_meter_tells_how_many_targets_weights_amount_to_and_whose_they_are() -> None:
    meter = WeightMeter(("expert", "own"))
    meter.add(torch.tensor([1.0, 1.0]), torch.tensor([0, 0]))
    meter.add(torch.tensor([2.0, 0.0, 9.0]), torch.tensor([1, 1, -1]))
    assert meter.figures() == {
        "weight_mean": 1.0,
        "weight_effective": pytest.approx(16 / 6),
        "weight_expert": 0.5,
        "weight_own": 0.5,
    }
    meter.clear()
    meter.add(torch.full((8,), 0.01), torch.zeros(8, dtype=torch.long))
    assert meter.figures()["weight_effective"] == pytest.approx(8), "a factor that all share changes nothing"
