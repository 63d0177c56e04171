"""The training step: packed equals unpacked, however it is split; and the network's shape."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_lightning import LightningConfig, ModelShape
from orca_lightning.network.attention import NAME, Documents
from orca_lightning.network.lean import slim
from orca_lightning.network.loss import IGNORED, ResponseLoss, head_loss
from orca_lightning.network.model import check_shape, llama_config, meta_model, new_model, parameters
from orca_lightning.network.products import MANY, project
from orca_lightning.text.corpus import Corpus
from orca_lightning.training.optim import learning_rate
from orca_lightning.training.steps import Plan, Steps, micro_batch
from orca_lightning.training.verify import VerificationError, check_targets, verify
from torch.nn.functional import cross_entropy
from transformers.models.llama import LlamaForCausalLM

from orca_core.errors import UserError

VOCAB = 61


def network(*, kv_heads: int | None = None, attention: str = NAME) -> Any:
    shape = ModelShape(hidden_size=32, layers=2, heads=4, kv_heads=kv_heads, intermediate_size=48, init_std=0.2)
    torch.manual_seed(0)
    return LlamaForCausalLM(llama_config(shape, vocab_size=VOCAB, attn_implementation=attention, pad_token_id=0))


@cache
def networks(lean: bool, kv_heads: int | None) -> tuple[Any, Any]:
    """Ours, attending by documents, and transformers' own eager one with the same weights."""
    ours, theirs = network(kv_heads=kv_heads), network(kv_heads=kv_heads, attention="eager")
    theirs.load_state_dict(ours.state_dict())
    if lean:
        slim(ours)
    return ours, theirs


def corpus_of(sizes: list[tuple[int, int]], seed: int = 0) -> Corpus:
    """Random documents of (tokens, of which prompt)."""
    lengths = np.array([length for length, _ in sizes])
    ids = np.random.default_rng(seed).integers(1, VOCAB, lengths.sum()).astype(np.int32)
    supervised = np.concatenate([np.arange(length) >= max(1, prompt) for length, prompt in sizes])
    targets = np.array([length - max(1, prompt) for length, prompt in sizes])
    return Corpus(ids, supervised, np.concatenate([[0], np.cumsum(lengths)]), targets, np.arange(len(lengths)))


def summed_loss(model: Any, corpus: Corpus, items: list[int]) -> torch.Tensor:
    batch = micro_batch(corpus, np.array(items))
    return ResponseLoss(model)(*batch.inputs)


def unpacked_loss(model: Any, corpus: Corpus) -> torch.Tensor:
    """transformers' own loss, a document at a time."""
    total = torch.zeros(())
    for i in range(len(corpus)):
        ids = torch.from_numpy(corpus.ids[corpus.starts[i] : corpus.starts[i + 1]].astype(np.int64))[None]
        labels = ids.clone()
        labels[:, : ids.shape[1] - corpus.targets[i]] = -100
        if (labels[:, 1:] != -100).any():
            logits = model(input_ids=ids).logits
            total = total + cross_entropy(logits[0, :-1], labels[0, 1:], reduction="sum")
    return total


def gradients(model: Any, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    torch.autograd.backward(loss)
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


SIZES = st.lists(
    st.integers(1, 70).flatmap(lambda n: st.tuples(st.just(n), st.integers(0 if n == 1 else 1, n))),
    min_size=1,
    max_size=7,
).filter(lambda sizes: any(length > max(prompt, 1) for length, prompt in sizes))


@pytest.mark.parametrize(("lean", "kv_heads"), [(True, None), (False, None), (True, 2)])
@settings(max_examples=25, deadline=None, derandomize=True)
@given(sizes=SIZES, seed=st.integers(0, 99))
def test_packed_and_unpacked_loss_and_gradients_agree(
    lean: bool, kv_heads: int | None, sizes: list[tuple[int, int]], seed: int
) -> None:
    ours, theirs = networks(lean, kv_heads)
    corpus = corpus_of(sizes, seed)
    packed, apart = summed_loss(ours, corpus, list(range(len(sizes)))), unpacked_loss(theirs, corpus)
    assert packed.item() == pytest.approx(apart.item(), rel=1e-5)
    expected = gradients(theirs, apart)
    for name, gradient in gradients(ours, packed).items():
        # a gradient that is nil but for rounding (queries of a first token) is held against the size of a usual one
        difference = (gradient - expected[name]).norm() / expected[name].norm().clamp(min=1e-1)
        assert difference < 1e-5, name


def test_changing_one_example_changes_no_others_loss() -> None:
    model = networks(True, None)[0]
    one, other = corpus_of([(20, 5), (33, 4), (9, 2)], 0), corpus_of([(20, 5), (33, 4), (9, 2)], 0)
    other.ids[20:53] = np.random.default_rng(5).integers(1, VOCAB, 33)
    with torch.no_grad():
        losses = [
            ResponseLoss(model)(*b.inputs, each=True) for b in (micro_batch(c, np.arange(3)) for c in (one, other))
        ]
    same = torch.ones(15 + 29 + 7, dtype=torch.bool)
    same[15:44] = False
    difference = (losses[0] - losses[1])[: len(same)].abs()
    assert difference[same].max() < 1e-6
    assert difference[~same].mean() > 0.1


def test_only_positions_before_a_target_reach_the_output_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def head(hidden: torch.Tensor, layer: Any, labels: torch.Tensor, *, each: bool) -> torch.Tensor:
        seen.append(len(hidden))
        return head_loss(hidden, layer, labels, each=each)

    monkeypatch.setattr("orca_lightning.network.loss.head_loss", head)
    batch = micro_batch(corpus_of([(200, 150), (300, 260)]), np.arange(2))
    ResponseLoss(network())(*batch.inputs)
    assert seen == [128]  # 50 + 40 targets, rounded up; not 500 tokens


def test_behind_the_last_attention_only_they_go_on() -> None:
    model, seen = network(), []
    slim(model)
    for layer in model.model.layers:
        layer.mlp.register_forward_hook(lambda _, taken, made: seen.append((taken[0].shape[1], made.shape[1])))
    batch = micro_batch(corpus_of([(200, 150), (300, 260)]), np.arange(2))
    ResponseLoss(model)(*batch.inputs)
    assert seen == [(512, 512), (128, 128)]


@pytest.mark.parametrize("targets", [7, 512, 1300])
@pytest.mark.parametrize("bias", [True, False])
def test_the_chunked_loss_and_its_gradients_are_those_of_plain_cross_entropy(targets: int, bias: bool) -> None:
    torch.manual_seed(targets)
    hidden, head = torch.randn(targets, 16, requires_grad=True), torch.nn.Linear(16, 300, bias=bias)
    labels = torch.randint(0, 300, (targets,))
    labels[-3:] = IGNORED
    found = []
    for loss in (
        head_loss(hidden, head, labels, each=False),
        cross_entropy(head(hidden), labels, reduction="sum"),
        head_loss(hidden, head, labels, each=True).sum(),
    ):
        hidden.grad = head.weight.grad = None
        torch.autograd.backward(loss * 0.1)
        assert hidden.grad is not None
        assert head.weight.grad is not None
        found.append((loss.detach(), hidden.grad, head.weight.grad))
    for value, expected in [*zip(found[0], found[1], strict=True), *zip(found[2], found[1], strict=True)]:
        assert (value - expected).norm() <= 1e-6 * expected.norm()


def test_logits_that_an_architecture_reshapes_are_left_to_it() -> None:
    model = network()
    model.config.logits_scaling = 4.0
    assert ResponseLoss(model).own_head
    assert not ResponseLoss(network()).own_head


def test_the_kernel_for_varying_lengths_is_told_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    def reference(
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        starts: torch.Tensor,
        ends: torch.Tensor,
        *rest: Any,
        **told: Any,
    ) -> torch.Tensor:
        """What torch documents of ``varlen_attn``, a sequence at a time."""
        assert starts is ends
        assert rest == (int(torch.diff(starts).max()),) * 2
        assert told["window_size"] == (-1, 0)
        out = []
        for first, last in itertools.pairwise(starts.tolist()):
            one = [t[first:last].transpose(0, 1)[None] for t in (q, k, v)]
            seen = torch.nn.functional.scaled_dot_product_attention(
                *one, is_causal=True, scale=told["scale"], enable_gqa=told["enable_gqa"]
            )
            out.append(seen[0].transpose(0, 1))
        return torch.cat(out)

    import torch.nn.attention.varlen

    corpus = corpus_of([(20, 5), (33, 4), (1, 0), (9, 2)])
    ours, _ = networks(True, 2)
    expected = gradients(ours, gathered := summed_loss(ours, corpus, [0, 1, 2, 3]))
    monkeypatch.setattr(torch.nn.attention.varlen, "varlen_attn", reference)
    monkeypatch.setattr("orca_lightning.network.attention.takes_bounds", lambda query: True)
    found = gradients(ours, told := summed_loss(ours, corpus, [0, 1, 2, 3]))
    assert told.item() == pytest.approx(gathered.item(), rel=1e-6)
    assert all(torch.allclose(found[name], value, rtol=1e-4, atol=1e-6) for name, value in expected.items())


def test_a_forward_pass_that_does_not_say_its_boundaries_is_refused() -> None:
    with pytest.raises(ValueError, match="takes scope="):
        network()(input_ids=torch.ones(2, 5, dtype=torch.long))


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("micro_rows", [1, 3, 8])
def test_however_a_step_is_split_its_gradient_is_the_same(world: int, micro_rows: int) -> None:
    draw = np.random.default_rng(1)
    corpus = corpus_of([(int(n), int(draw.integers(1, n))) for n in draw.integers(2, 60, 40)])
    plan = Plan(corpus, row_tokens=64, batch_rows=8, seed=0, epochs=1)
    model = networks(True, None)[0]
    whole = gradients(model, summed_loss(model, corpus, np.concatenate(plan.step_rows(0)).tolist()))
    total = torch.zeros(())
    passes = set()
    for rank in range(world):
        step = Steps(plan, micro_rows=micro_rows, rank=rank, world=world)[0]
        passes.add(len(step.micro))
        for batch in step.micro:
            total = total + ResponseLoss(model)(*batch.inputs)
    assert len(passes) == 1, "sharded processes must make equally many passes"
    for name, gradient in gradients(model, total).items():
        assert torch.allclose(gradient, whole[name], rtol=1e-4, atol=1e-5), name


def test_a_plan_sees_every_example_once_an_epoch_and_counts_its_tokens() -> None:
    corpus = corpus_of([(n, 1) for n in range(2, 40)])
    plan = Plan(corpus, row_tokens=64, batch_rows=4, seed=0, epochs=3)
    seen = np.concatenate([row for step in range(plan.steps) for row in plan.step_rows(step)])
    assert np.bincount(seen).tolist() == [3] * len(corpus)
    assert sum(plan.totals(step)[0] for step in range(plan.steps)) == 3 * corpus.lengths.sum()
    assert sum(plan.totals(step)[1] for step in range(plan.steps)) == 3 * corpus.targets.sum()


@pytest.mark.parametrize("budget", [100, 5_000, 12_345])
def test_a_token_budget_overrides_the_epochs(budget: int) -> None:
    corpus = corpus_of([(n, 1) for n in range(2, 40)])
    plan = Plan(corpus, row_tokens=64, batch_rows=1, seed=0, epochs=1, token_budget=budget)
    assert abs(sum(plan.totals(step)[0] for step in range(plan.steps)) - budget) <= 64


def test_the_learning_rate_rises_and_falls_as_configured() -> None:
    config = LightningConfig(learning_rate=1.0, warmup_ratio=0.1, final_ratio=0.2)
    rates = [learning_rate(config, step, 100) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert max(rates) == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.2, abs=1e-2)
    constant = config.model_copy(update={"schedule": "constant"})
    assert {learning_rate(constant, step, 100) for step in range(10, 100)} == {1.0}


def test_the_papers_model_has_thirteen_billion_parameters() -> None:
    shape = ModelShape(
        hidden_size=5120, layers=40, heads=40, intermediate_size=13824, vocab_size=32001, tie_embeddings=False
    )
    model = meta_model(shape)
    assert parameters(model) == 13_015_874_560
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


def test_a_base_of_another_shape_than_announced_is_refused() -> None:
    with pytest.raises(UserError, match=r"hidden_size is 32, not 64.*student.model=null"):
        check_shape(
            network(), ModelShape(hidden_size=64, layers=2, heads=4, intermediate_size=48, vocab_size=300), "somewhere"
        )


def test_weights_are_drawn_from_the_seed_and_leave_the_global_generator_alone() -> None:
    class Tokens:
        bos_token_id, eos_token_id, pad_token_id = None, 1, 0

        def __len__(self) -> int:
            return 300

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, two, other = (new_model(ModelShape(hidden_size=16, layers=1), Tokens(), seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(one.lm_head.weight, two.lm_head.weight)
    assert not torch.equal(one.lm_head.weight, other.lm_head.weight)


def test_naive_packing_lets_a_row_run_on() -> None:
    corpus = corpus_of([(n, 1) for n in range(2, 40)])
    plan = Plan(corpus, row_tokens=64, batch_rows=4, seed=0, epochs=1, packing="naive")
    (batch,) = Steps(plan, micro_rows=4)[0].micro
    rows = plan.step_rows(0)
    assert (
        batch.documents.bounds.tolist()[: len(rows) + 1]
        == np.cumsum([0, *(corpus.lengths[row].sum() for row in rows)]).tolist()
    )
    assert batch.position_ids[0, : int(corpus.lengths[rows[0]].sum())].tolist() == list(
        range(int(corpus.lengths[rows[0]].sum()))
    )


class TestVerification:
    """What is to be trained is tried on its own examples first."""

    class Tokens:
        eos_token, eos_token_id = "</s>", 1

        def decode(self, ids: Any) -> str:
            return " ".join(map(str, ids))

    def corpus(self) -> Corpus:
        corpus = corpus_of([(int(n), int(n) // 2) for n in np.arange(9, 30)])
        corpus.ids[corpus.starts[1:] - 1] = 1
        return corpus

    def seen(self, model: Any, corpus: Corpus | None = None) -> Any:
        return verify(ResponseLoss(model), corpus or self.corpus(), self.Tokens(), device=torch.device("cpu"))

    def test_a_sound_student_passes_and_keeps_no_gradients(self) -> None:
        model = network()
        seen = self.seen(model)
        assert max(seen.loss, seen.gradient) < 1e-5
        assert seen.target.endswith(" 1")
        assert all(parameter.grad is None for parameter in model.parameters())

    def test_documents_that_see_each_other_are_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def leak(self: Any, layer: int, query: Any, key: Any, value: Any, scale: float) -> Any:
            out = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale)
            return out.transpose(1, 2)

        monkeypatch.setattr(Documents, "attend", leak)
        with pytest.raises(VerificationError, match=r"do not train as they do alone.*attention interface"):
            self.seen(network())

    def test_a_leak_of_gradients_alone_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sound = Documents.attend

        class Leaking(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
                return x.clone()

            @staticmethod
            def backward(ctx: Any, gradient: torch.Tensor) -> Any:
                return gradient + gradient.mean(1, keepdim=True)

        def attend(self: Any, *inputs: Any) -> Any:
            return Leaking.apply(sound(self, *inputs))

        monkeypatch.setattr(Documents, "attend", attend)
        with pytest.raises(VerificationError, match="do not train as they do alone"):
            self.seen(network())

    def test_a_response_without_an_end_is_found(self) -> None:
        corpus = self.corpus()
        corpus.ids[corpus.starts[1] - 1] = 7
        with pytest.raises(VerificationError, match="would not learn to stop"):
            self.seen(network(), corpus)

    def test_examples_without_targets_are_refused(self) -> None:
        with pytest.raises(UserError, match="1 of 2 examples have no token to learn from"):
            check_targets(corpus_of([(9, 4), (5, 5)]))


@pytest.mark.parametrize("rows", [1, MANY - 1, MANY, 700])
@pytest.mark.parametrize("trained", [(True, True), (True, False), (False, True)])
def test_a_product_and_its_gradients_are_those_of_the_layer(rows: int, trained: tuple[bool, bool]) -> None:
    torch.manual_seed(rows)
    layer = torch.nn.Linear(24, 40, bias=False).requires_grad_(trained[1])
    x = torch.randn(1, rows, 24, requires_grad=trained[0])
    toward = torch.randn(1, rows, 40)
    found = []
    for product in (project(layer, x), layer(x)):
        x.grad = layer.weight.grad = None
        (product * toward).sum().backward()
        found.append([product.detach(), *(t for t in (x.grad, layer.weight.grad) if t is not None)])
    assert len(found[0]) == 1 + sum(trained)
    for ours, theirs in zip(*found, strict=True):
        assert (ours - theirs).norm() <= 1e-6 * theirs.norm()


def test_reduced_precision_and_adapters_are_left_to_the_layer() -> None:
    x = torch.randn(512, 24)
    layer = torch.nn.Linear(24, 40, bias=False)
    with torch.autocast("cpu", torch.bfloat16):
        assert project(layer, x).dtype == torch.bfloat16
    doubled = torch.nn.Sequential(layer, torch.nn.Linear(40, 40))
    assert torch.equal(project(doubled, x), doubled(x))
