"""The masks by themselves, in the limits in which they are something known."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_iga.masks import Moments, and_mask, conflict_mask, low_rank, pull_back, shuffled
from torch import Tensor

NORMALISERS = ("snr", "tensor", "raw")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def moments(gradients: Tensor) -> Moments:
    found = Moments()
    for gradient in gradients:
        found.add(gradient)
    return found


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(0, 99))
def test_moments_are_mean_biased_variance_and_agreement_of_signs(domains: int, seed: int) -> None:
    gradients = drawn(domains, 3, 5, seed=seed)
    found = moments(gradients)
    torch.testing.assert_close(found.mean, gradients.mean(0))
    torch.testing.assert_close(found.variance, gradients.var(0, correction=0))
    torch.testing.assert_close(found.agreement, gradients.sign().mean(0).abs())


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_without_tau_or_with_equal_domains_the_mask_is_one(normaliser: str) -> None:
    gradients = drawn(3, 4, 5)
    assert torch.equal(conflict_mask(moments(gradients), 0.0, normaliser), torch.ones(4, 5))
    equal = moments(gradients[:1].expand(3, -1, -1))
    assert torch.equal(equal.variance, torch.zeros(4, 5)), "exactly"
    assert torch.equal(equal.mean, gradients[0]), "exactly"
    assert torch.equal(conflict_mask(equal, 1.0, normaliser), torch.ones(4, 5))


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_opposite_gradients_leave_nothing_and_a_finite_mask(normaliser: str) -> None:
    one = torch.cat([drawn(4, 5), torch.zeros(1, 5), 1e6 * drawn(1, 5)])
    found = moments(torch.stack([one, -one]))
    assert torch.equal(found.mean, torch.zeros_like(one))
    mask = conflict_mask(found, 1.0, normaliser)
    assert bool(torch.isfinite(mask).all())
    assert bool((mask[4] == 1).all()), "where all are 0 there is no conflict"
    assert float(mask[5].max()) < (1e-9 if normaliser != "tensor" else 0.9)


def test_the_formula_coordinate_by_coordinate() -> None:
    found = moments(torch.tensor([[1.0, 2.0, 0.0], [3.0, 2.0, 4.0]]))  # means 2, 2, 2; variances 1, 0, 4
    assert conflict_mask(found, 2.0, "raw").tolist() == pytest.approx(torch.tensor([-2.0, 0, -8]).exp().tolist())
    assert conflict_mask(found, 2.0, "snr").tolist() == pytest.approx(torch.tensor([-0.5, 0, -2]).exp().tolist())
    assert conflict_mask(found, 2.0, "tensor").tolist() == pytest.approx(torch.tensor([-1.2, 0, -4.8]).exp().tolist())


def test_a_word_of_one_domain_has_the_mask_that_its_number_says() -> None:
    only = torch.stack([drawn(7), *[torch.zeros(7)] * 3])
    torch.testing.assert_close(conflict_mask(moments(only), 1.0, "snr"), torch.full((7,), 3.0).neg().exp())


def test_gradients_of_the_usual_size_leave_the_raw_mask_at_one() -> None:
    small = moments(1e-3 * drawn(4, 64, 64))
    assert float(conflict_mask(small, 1.0, "raw").min()) > 0.9999
    assert float(conflict_mask(small, 1.0, "snr").mean()) < 0.5


def test_the_and_mask_keeps_what_enough_domains_agree_on() -> None:
    found = moments(torch.tensor([[1.0, 1, 1, 0], [2.0, -1, 1, 0], [3.0, 1, -1, 1]]))
    assert and_mask(found, 1.0).tolist() == [1, 0, 0, 0]
    assert and_mask(found, 0.33).tolist() == [1, 1, 1, 1]


def test_shuffling_moves_values_and_repeats() -> None:
    mask = drawn(9, 11).sigmoid()
    moved = shuffled(mask, 5)
    assert torch.equal(moved.flatten().sort().values, mask.flatten().sort().values)
    assert float((moved == mask).float().mean()) < 0.1
    assert torch.equal(moved, shuffled(mask, 5))
    assert not torch.equal(moved, shuffled(mask, 6))


def test_what_is_pulled_back_is_what_autograd_makes_of_a_gradient_of_the_whole_matrix() -> None:
    w, a, b, x, target = (
        drawn(6, 8),
        drawn(3, 8, seed=1),
        drawn(6, 3, seed=2),
        drawn(20, 8, seed=3),
        drawn(20, 6, seed=4),
    )
    a.requires_grad_()
    b.requires_grad_()
    shadow = (w + 0.7 * b @ a).detach().requires_grad_()
    ((x @ shadow.T - target) ** 2).mean().backward()
    ((x @ (w + 0.7 * b @ a).T - target) ** 2).mean().backward()
    of_a, of_b = pull_back(shadow.grad, a.detach(), b.detach(), 0.7)
    torch.testing.assert_close(of_a, a.grad)
    torch.testing.assert_close(of_b, b.grad)
    # of a masked gradient: its dot product with what the whole matrix does as the factors move
    masked = low_rank(shadow.grad * drawn(6, 8, seed=5).sigmoid(), 3)
    a.grad = b.grad = None
    (masked * (0.7 * b @ a)).sum().backward()
    for mine, theirs in zip(pull_back(masked, a.detach(), b.detach(), 0.7), (a.grad, b.grad), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_low_rank_is_the_nearest_of_its_rank() -> None:
    matrix = drawn(7, 5)
    near = low_rank(matrix, 2)
    assert int(torch.linalg.matrix_rank(near)) == 2
    values = torch.linalg.svdvals(matrix)
    torch.testing.assert_close((matrix - near).norm(), values[2:].norm())
    torch.testing.assert_close(low_rank(matrix, 5), matrix)
