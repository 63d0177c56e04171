"""Advantages and the clipped loss by themselves: against hand numbers, and the limit in which they are the policy gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from orca_lightning.methods import Rollout
from orca_scalelogic.grpo.objective import clipped_loss, group_advantages, kl_estimate
from orca_scalelogic.grpo.rounds import Group, Round, Rounds
from torch.nn.functional import cross_entropy

from orca_core.errors import UserError

CLIP = (0.2, 0.28)


def test_advantages_are_rewards_standardised_within_their_group() -> None:
    # mean 1/4, deviation sqrt((9 + 1 + 1 + 1) / 16 / 3) = 1/2; mean 1/2, deviation sqrt(4 / 4 / 3)
    found = group_advantages(np.array([[1.0, 0, 0, 0], [1, 0, 1, 0]]))
    assert found[0] == pytest.approx([1.5, -0.5, -0.5, -0.5], abs=1e-5)
    assert found[1] == pytest.approx(np.array([1, -1, 1, -1]) * math.sqrt(3) / 2, abs=1e-5)
    assert (group_advantages(np.ones((2, 4))) == 0).all()


def test_the_clipped_loss_is_that_of_hand_numbers() -> None:
    ratio = torch.tensor([1.0, 1.5, 0.5, 1.5, 0.5])
    advantage = torch.tensor([2.0, 2.0, 2.0, -1.0, -1.0])
    old = torch.full((5,), -1.0)
    ce = (-(ratio.log() + old)).requires_grad_()
    loss, clipped = clipped_loss(ce, old, advantage, CLIP)
    # min(r A, clip(r, .8, 1.28) A): 2, 2.56 (clipped), 1, -1.5, -.8 (clipped)
    assert float(loss) == pytest.approx(-(2 + 2.56 + 1 - 1.5 - 0.8))
    assert clipped.tolist() == [False, True, False, False, True]
    loss.backward()
    # d(-r A)/d ce = r A where nothing is clipped
    assert ce.grad.tolist() == pytest.approx([2.0, 0.0, 1.0, -1.5, 0.0])


def test_a_far_ratio_is_no_infinity() -> None:
    ce = torch.tensor([900.0, 0.0], requires_grad=True)
    loss, _ = clipped_loss(ce, torch.tensor([0.0, -900.0]), torch.tensor([-1.0, -1.0]), CLIP)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(ce.grad).all()


def test_where_nothing_was_updated_yet_the_gradient_is_the_policy_gradient() -> None:
    logits = torch.randn(6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    labels, advantage = torch.tensor([1, 0, 8, 3, 3, 2]), torch.tensor([1.5, 1.5, -0.5, -0.5, 0.7, 0.0]).double()
    ce = cross_entropy(logits, labels, reduction="none")
    loss, clipped = clipped_loss(ce, -ce.detach(), advantage, CLIP)
    (mine,) = torch.autograd.grad(loss, logits, retain_graph=True)
    (reinforce,) = torch.autograd.grad((advantage * ce).sum(), logits)  # -sum A log p
    torch.testing.assert_close(mine, reinforce)
    assert not clipped.any()
    old = -ce.detach() + torch.tensor([0.1, -0.5, 0.4, -0.1, 0.6, 0.0])  # on both sides of the bounds

    def of(x: torch.Tensor) -> torch.Tensor:
        return clipped_loss(cross_entropy(x, labels, reduction="none"), old, advantage, CLIP)[0]

    assert torch.autograd.gradcheck(of, (logits,))


def test_the_estimate_of_the_divergence_is_unbiased_and_never_negative() -> None:
    draw = torch.Generator().manual_seed(0)
    policy, reference = (torch.randn(7, generator=draw).log_softmax(-1) for _ in range(2))
    each = kl_estimate(-policy, -reference)
    assert bool((each >= 0).all())
    exact = float((policy.exp() * (policy - reference)).sum())
    assert float((policy.exp() * each).sum()) == pytest.approx(exact, abs=1e-5)
    assert float(kl_estimate(-policy, -policy).abs().max()) == 0


def answer(*tokens: int) -> Rollout:
    return Rollout(tokens, "", True, tuple(-0.1 * token for token in tokens))


def test_groups_of_equal_rewards_are_dropped_and_counted() -> None:
    mixed = Group([9, 9], [answer(1, 2), answer(3), answer(4), answer(5)], [1.0, 0.0, 0.0, 0.0])
    solved, failed = Group([8], [answer(1), answer(2)], [1.0, 1.0]), Group([7], [answer(6, 6), answer(6)], [0.0, 0.0])
    made = Round.of([[mixed, solved], [failed, solved]])
    assert made.step.tolist() == [0, 0, 0, 0, 1]
    assert made.advantage == pytest.approx([1.5, -0.5, -0.5, -0.5, 0.0], abs=1e-5), (
        "a step keeps one answer, of no worth"
    )
    assert made.corpus.ids.tolist() == [9, 9, 1, 2, 9, 9, 3, 9, 9, 4, 9, 9, 5, 7, 6, 6]
    assert made.old[made.corpus.supervised] == pytest.approx([-0.1, -0.2, -0.3, -0.4, -0.5, -0.6, -0.6])
    assert [facts["dropped"] for facts in made.facts] == [0.5, 1.0]
    assert made.facts[0] == {"reward": 0.5, "dropped": 0.5, "response_length": pytest.approx(7 / 6), "cut_off": 0.0}
    assert made.accuracy == pytest.approx(0.5)
    with pytest.raises(UserError, match="no question leaves room"):
        Round.of([[Group([1], [], [])]])


def test_an_answer_of_no_worth_has_no_gradient() -> None:
    ce = torch.tensor([0.3, 2.0, 1.0], requires_grad=True)
    clipped_loss(ce, torch.tensor([-1.0, -0.1, -3.0]), torch.zeros(3), CLIP)[0].backward()
    assert ce.grad.tolist() == [0.0, 0.0, 0.0]


def test_a_round_comes_back_from_the_disk_and_goes_when_its_steps_are_saved(tmp_path: object) -> None:
    from pathlib import Path

    rounds = Rounds(Path(str(tmp_path)) / "rounds", 2)
    made = Round.of([[Group([9, 9], [answer(1, 2), answer(3)], [1.0, 0.0])]])
    for first in (0, 2, 4):
        again = rounds.at(first, lambda: made)
    assert again.facts == list(made.facts)
    assert np.array_equal(again.corpus.ids, made.corpus.ids)
    assert np.array_equal(again.old, made.old)
    rounds.forget(3)
    assert sorted(path.stem for path in rounds.path.iterdir()) == ["00000002", "00000004"]

    def never() -> Round:
        raise AssertionError

    assert rounds.at(2, never).advantage.tolist() == made.advantage.tolist()
