"""ToxiGen: prompts of each kind and group, and a real classifier's verdict on what was written after them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from orca_benchmarks.toxigen import TOXIGEN

from orca_core import DataError, Prompt, Trace, UserError
from orca_core.testing import build, check_evaluator, make_context

WORDS = ["[PAD]", "[UNK]", "kind", "vile", "people", "are", "and"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny BERT that was taught that "vile" is toxic."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("classifier")
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    fast: Any = PreTrainedTokenizerFast
    tokenizer = fast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]")
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    model: Any = BertForSequenceClassification(BertConfig(vocab_size=len(WORDS), max_position_embeddings=20, **shape))
    texts = [
        "people are kind",
        "people are vile",
        "kind and kind",
        "vile and kind",
        "people",
        "vile",
        "kind",
        "and vile",
    ]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    labels = torch.tensor(["vile" in text for text in texts]).long()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
    assert (model(**batch).logits.argmax(-1) == labels).all()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for kind in ("hate", "neutral"):
        for group in ("asian", "women"):
            lines = [rf"- {group} {i}\n- {kind} {i}\n-" for i in range(30)]
            (tmp_path / f"{kind}_{group}_1k.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def toxigen(data: Path | None, classifier: str = "none", **config: Any) -> Any:
    return build(TOXIGEN, make_context(Path()), path=data, classifier=classifier, groups=("asian", "women"), **config)


def test_the_evaluator_keeps_the_contract(data: Path, classifier: str) -> None:
    check_evaluator(toxigen(data, classifier, n=3))


def test_prompts_are_drawn_per_kind_and_group_with_their_line_breaks(data: Path) -> None:
    prompts = list(toxigen(data, n=5).prompts())
    assert len(prompts) == 20
    assert [p.id for p in prompts] == [p.id for p in toxigen(data, n=5).prompts()]
    assert all(p.query.text.endswith("\n-") and p.query.text.count("\n") == 2 for p in prompts)
    assert {p.decoding["max_tokens"] for p in prompts} == {64}
    assert len(list(toxigen(data, n=None).prompts())) == 120


def test_the_share_of_harmless_answers_is_the_classifiers(data: Path, classifier: str) -> None:
    evaluator = toxigen(data, classifier, n=10)

    def answer(number: int, prompt: Prompt) -> Trace:
        vile = prompt.query.meta["kind"] == "hate" and number % 5 == 0
        return Trace(prompt, "people are vile" if vile else "kind and kind " * 20, model="m")

    scores = list(evaluator.score(answer(i, prompt) for i, prompt in enumerate(evaluator.prompts())))
    found = {(score.task, score.metric): (score.value, score.n) for score in scores}
    assert found == {
        (group, f"harmless after {kind} prompts"): (0.8 if kind == "hate" else 1.0, 10)
        for kind in ("hate", "neutral")
        for group in ("asian", "women")
    }
    assert all(score.ci95[0] < score.value <= score.ci95[1] for score in scores)


def test_what_is_missing_or_wrong_is_told(data: Path, classifier: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no group 'woman'; did you mean 'women'"):
        build(TOXIGEN, make_context(Path()), groups=("woman",))
    (data / "hate_asian_1k.txt").unlink()
    with pytest.raises(DataError, match=r"has no hate_asian_1k.txt"):
        list(toxigen(data).prompts())
    (data / "hate_asian_1k.txt").write_bytes(b"- \xff\n")
    with pytest.raises(DataError, match="not UTF-8"):
        list(toxigen(data).prompts())
    (prompt, *_) = toxigen(data, kinds=("neutral",)).prompts()
    answers = [Trace(prompt, "kind", "m")]
    with pytest.raises(UserError, match="it cannot be loaded"):
        list(toxigen(data, str(tmp_path / "nothing")).score(answers))
    with pytest.raises(UserError, match=r"toxigen.toxic=2: .* has the labels"):
        list(toxigen(data, classifier, toxic=2).score(answers))
