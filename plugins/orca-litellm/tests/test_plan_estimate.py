"""What an estimate counts: requests, tokens, dollars, hours, and what it says of them. Nothing is asked, litellm not loaded."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from datetime import date, timedelta
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_litellm import LiteLLMConfig
from orca_litellm.ends import replacements
from orca_litellm.facts import Facts
from orca_litellm.plan import CHUNK, COUNTED, TYPICAL_ANSWER, estimate
from orca_litellm.tokens import find_tokenizer

from orca_core import Prompt, Query
from orca_core.responses import Cap, ResponseLog, Worst, make_request, request_key

LISTED = {
    "input_cost_per_token": 2e-6,
    "output_cost_per_token": 8e-6,
    "input_cost_per_token_batches": 1e-6,
    "output_cost_per_token_batches": 4e-6,
}
TODAY = date(2026, 11, 23)
WORDS = ("the", "of", "river", "house", "stone", "question", "answer", "because", "light", "people", "water")


def make_facts(model: str = "gpt-4.1", provider: str = "openai", **price: Any) -> Facts:
    entry = None if price.get("price", ...) is None else LISTED | price
    return Facts(provider, model, {}, None, (), True, entry, "hash", "1.0")


def make_config(**settings: Any) -> LiteLLMConfig:
    return LiteLLMConfig.model_validate({"model": "openai/gpt-4.1", **settings})


def prompts(n: int, words: int = 1) -> list[Prompt]:
    return [Prompt(Query(f"{i}" + " word" * words, task="t")) for i in range(n)]


def flan_like(n: int) -> list[Prompt]:
    """Questions as long as FLAN's: about 240 tokens in the mean, some of them many times as long as others."""
    draw = random.Random(0)
    lengths = [max(15, int(draw.lognormvariate(5.27, 0.6))) for _ in range(n)]
    return [Prompt(Query(f"{i}: {' '.join(draw.choices(WORDS, k=k))}", "flan")) for i, k in enumerate(lengths)]


def answer(log: ResponseLog, config: LiteLLMConfig, asked: list[Prompt], **reply: Any) -> None:
    for prompt in asked:
        request = (config.model, prompt.messages, config.decoding, prompt.sample)
        log.put(request_key(*request), make_request(*request), {"text": "x", "finish_reason": "stop", **reply})


def said(notes: tuple[str, ...], beginning: str) -> str:
    """The one note that begins so."""
    (note,) = [note for note in notes if note.startswith(beginning)]
    return note


def test_equal_requests_count_once_and_samples_each(tmp_path):
    one, two = prompts(2)
    again = Prompt(two.query, sample=1)
    found = estimate(make_config(), make_facts(), tmp_path / "none.sqlite", [one, two, one, again, two])
    assert found.prompts == 3


def test_equal_requests_count_once_however_far_apart(tmp_path):
    asked = prompts(CHUNK + 10)
    found = estimate(make_config(), make_facts(), tmp_path / "none.sqlite", [*asked, *asked[:50]])
    assert found.prompts == CHUNK + 10


def test_what_the_log_holds_is_not_asked_again_and_tells_lengths(tmp_path):
    config, asked, path = make_config(temperature=0.7), prompts(10), tmp_path / "log.sqlite"
    with ResponseLog(path) as log:
        answer(log, config, asked[:4], completion_tokens=77, prompt_tokens=9, latency_s=3.0)
        answer(log, make_config(temperature=0.1), asked, completion_tokens=77, prompt_tokens=9, latency_s=3.0)
    found = estimate(config, make_facts(), path, asked)
    assert found.prompts == 6
    assert found.completion_tokens == 6 * 77
    assert found.hours == pytest.approx(6 * 3.0 / 16 / 3600)
    assert "77 tokens each, the mean" in said(found.notes, "answers:")


def test_nothing_left_takes_nothing(tmp_path):
    config, asked, path = make_config(), prompts(3), tmp_path / "log.sqlite"
    with ResponseLog(path) as log:
        answer(log, config, asked, completion_tokens=7)
    found = estimate(config, make_facts(), path, asked)
    assert (found.prompts, found.prompt_tokens, found.completion_tokens) == (0, 0, 0)
    assert (found.cost_usd, found.batch_usd, found.hours, found.notes) == (0.0, 0.0, 0.0, ())


def test_without_answers_their_length_is_a_guess_below_the_limit(tmp_path):
    log = tmp_path / "none.sqlite"
    found = estimate(make_config(), make_facts(), log, prompts(2))
    assert found.completion_tokens == 2 * TYPICAL_ANSWER
    assert "guess" in said(found.notes, "answers:")
    assert "reasoning" not in said(found.notes, "answers:")
    assert estimate(make_config(max_tokens=50), make_facts(), log, prompts(2)).completion_tokens == 100
    thinking = estimate(make_config(), make_facts(supports_reasoning=True), log, prompts(2))
    assert "hidden reasoning" in said(thinking.notes, "answers:")


def test_tokens_of_a_prompt_are_those_of_its_models_tokenizer():
    messages = [
        {"role": "system", "content": "hello world"},
        {"role": "user", "content": "antidisestablishmentarianism"},
    ]
    old, new = find_tokenizer("openai", "gpt-4"), find_tokenizer("openai", "gpt-4.1")
    assert (old.name, old.exact, new.name, new.exact) == ("cl100k_base", True, "o200k_base", True)
    assert old.count(messages[:1]) == 3 + 3 + 1 + 2
    assert old.count(messages) == 3 + (3 + 1 + 2) + (3 + 1 + 6)


def test_another_providers_tokens_are_said_to_be_an_approximation(tmp_path):
    found = estimate(make_config(), make_facts("claude", "anthropic"), tmp_path / "none.sqlite", prompts(2))
    assert "an approximation" in said(found.notes, "prompts:")


def test_without_the_tables_a_quarter_of_the_bytes_is_counted_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr("orca_litellm.tokens.find_spec", lambda name: None)
    find_tokenizer.cache_clear()
    try:
        found = estimate(make_config(), make_facts(), tmp_path / "none.sqlite", [Prompt(Query("x" * 400, "t"))])
    finally:
        find_tokenizer.cache_clear()
    assert found.prompt_tokens == 100 + 1 + 3 + 3
    assert "a token per 4 bytes" in said(found.notes, "prompts:")


def test_counting_neither_loads_litellm_nor_opens_a_connection():
    code = """
import socket, sys
def refuse(*args, **more): raise OSError("no network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from orca_litellm.tokens import find_tokenizer
for model in ("gpt-4", "gpt-4.1", "unheard-of"):
    assert find_tokenizer("openai", model).length("hello world") == 2
assert "litellm" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr


def test_dollars_are_the_lists_unless_the_config_has_a_price(tmp_path):
    log, asked = tmp_path / "none.sqlite", prompts(100, words=50)
    listed = estimate(make_config(), make_facts(), log, asked)
    tokens_in, tokens_out = listed.prompt_tokens, listed.completion_tokens
    assert listed.cost_usd == pytest.approx(tokens_in * 2e-6 + tokens_out * 8e-6, rel=1e-3)
    assert listed.batch_usd == pytest.approx(listed.cost_usd / 2)
    own = estimate(make_config(price={"prompt": 10, "completion": 30}), make_facts(), log, asked)
    assert own.cost_usd == pytest.approx(tokens_in * 1e-5 + tokens_out * 3e-5, rel=1e-3)
    assert own.batch_usd is None, "nobody said that this price has a batch form"
    shared = estimate(make_config(price={"prompt": 10, "completion": 30, "batch": 0.25}), make_facts(), log, asked)
    assert shared.batch_usd == pytest.approx(own.cost_usd / 4)


def test_through_the_batch_api_the_cost_is_the_batchs(tmp_path):
    log, asked = tmp_path / "none.sqlite", prompts(100)
    now, batch = (estimate(make_config(batch=b), make_facts(), log, asked) for b in (False, True))
    assert batch.cost_usd == batch.batch_usd == now.batch_usd
    assert batch.hours == 24
    own = make_config(batch=True, price={"prompt": 10, "completion": 30})
    assert estimate(own, make_facts(), log, asked).cost_usd == pytest.approx(
        estimate(own.model_copy(update={"batch": False}), make_facts(), log, asked).cost_usd / 2
    )


def test_an_unpriced_model_is_said_to_be_so_with_what_to_write(tmp_path):
    found = estimate(make_config(), make_facts(price=None), tmp_path / "none.sqlite", prompts(2))
    assert (found.cost_usd, found.batch_usd) == (None, None)
    assert "teacher.price.prompt=" in said(found.notes, "openai/gpt-4.1 is unpriced")
    free = estimate(
        make_config(price={"prompt": 0, "completion": 0}), make_facts(price=None), tmp_path / "n", prompts(2)
    )
    assert free.cost_usd == 0.0
    assert not [note for note in free.notes if "unpriced" in note]


def test_a_budget_that_will_not_do_is_said_before_the_first_call(tmp_path):
    path, asked = tmp_path / "log.sqlite", prompts(1000)
    config = make_config(budget={"usd": 1.0, "account": "mine"})
    with ResponseLog(path) as log:
        key = request_key("m", [{"role": "user", "content": "?"}], {})
        log.begin(key, {"model": "m"}, account="mine", worst=Worst(0.5, 10), cap=Cap())
        log.finish(key, {"model": "m"}, {"text": "x", "finish_reason": "stop", "cost_usd": 0.4, "latency_s": 1.0})
    found = estimate(config, make_facts(), path, asked)
    assert f"the $0.60 left on account mine buy about {0.6 / found.cost_usd:.0%}" in said(found.notes, "budget:")
    enough = make_config(budget={"usd": 100.0, "account": "mine"})
    assert not [note for note in estimate(enough, make_facts(), path, asked).notes if note.startswith("budget")]


LIMIT = st.none() | st.floats(1, 1e6)
PLACES = st.lists(st.tuples(LIMIT, LIMIT, st.integers(1, 500)), min_size=1, max_size=4)


def places(limits: list[tuple[float | None, float | None, int]]) -> list[dict[str, Any]]:
    return [
        {"name": f"e{i}", "requests_per_minute": r, "tokens_per_minute": t, "workers": w}
        for i, (r, t, w) in enumerate(limits)
    ]


@settings(deadline=None)
@given(PLACES)
def test_the_hours_are_those_of_endpoints_that_are_each_busy_up_to_their_narrowest_bound(tmp_path_factory, limits):
    log, asked = tmp_path_factory.getbasetemp() / "none.sqlite", prompts(3, words=20)
    found = estimate(make_config(endpoints=places(limits)), make_facts(), log, asked)
    tokens, latency = (found.prompt_tokens + found.completion_tokens) / 3, TYPICAL_ANSWER / 40
    inf = float("inf")
    rates = [min(r or inf, (t or inf) / tokens, w * 60 / latency) for r, t, w in limits]
    assert found.hours == pytest.approx(3 / sum(rates) / 60, rel=1e-3)
    more = estimate(make_config(endpoints=places([*limits, (60.0, None, 1)])), make_facts(), log, asked)
    assert more.hours < found.hours


def test_the_bound_on_the_time_is_named(tmp_path):
    def bound(**limits: Any) -> str:
        found = estimate(make_config(workers=1000, **limits), make_facts(), tmp_path / "none.sqlite", prompts(5))
        return said(found.notes, "time:")

    assert "60 requests/min at openai" in bound(requests_per_minute=60, tokens_per_minute=1e6)
    assert "6,000 tokens/min at openai" in bound(requests_per_minute=60, tokens_per_minute=6000)
    assert "1,000 at once" in bound()
    assert "no limits are set for openai" in bound()
    both = {"requests_per_minute": 60}
    assert "60 requests/min at a and b" in bound(endpoints=[{"name": "a", **both}, {"name": "b", **both}])


@pytest.mark.parametrize(
    ("days", "expected"),
    [(-31, "past its end"), (0, "past its end"), (59, "ends on"), (61, None), (None, None)],
)
def test_a_model_past_its_end_or_near_it_is_said_to_be_so_with_what_replaces_it(tmp_path, days, expected):
    end = {} if days is None else {"deprecation_date": (TODAY + timedelta(days=days)).isoformat()}
    found = estimate(make_config(), make_facts("gpt-4", **end), tmp_path / "none.sqlite", prompts(2), TODAY)
    told = [note for note in found.notes if note.startswith("openai/gpt-4 ")]
    assert len(told) == (expected is not None)
    for note in told:
        assert expected in note
        assert f"{replacements()['openai/gpt-4']} replaces it" in note


def test_an_end_that_comes_before_the_asking_is_over_is_told_however_far_away(tmp_path):
    facts = make_facts("gpt-4", deprecation_date=(TODAY + timedelta(days=90)).isoformat())
    slow = make_config(requests_per_minute=1)
    asked = prompts(400)

    def told(per_minute: float) -> list[str]:
        config = slow.model_copy(update={"requests_per_minute": per_minute})
        notes = estimate(config, facts, tmp_path / "none.sqlite", asked, TODAY).notes
        return [note for note in notes if "while this would still be asking" in note]

    assert told(400 / (91 * 24 * 60))
    assert not told(400 / (89 * 24 * 60))


def test_prompts_are_read_as_a_stream(tmp_path):
    alive = most = 0

    class Counted(str):
        """Text that knows how much of it there is."""

        def __init__(self, _: str) -> None:
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    stream = (Prompt(Query(Counted(f"question {i}"), "t")) for i in range(3 * CHUNK))
    found = estimate(make_config(), make_facts(), tmp_path / "none.sqlite", stream)
    assert found.prompts == 3 * CHUNK
    assert most <= 2 * CHUNK + COUNTED + 1, "a chunk, the one before it, and the sample"


def test_of_many_prompts_a_sample_is_counted(tmp_path):
    mixed = [p for few, many in zip(prompts(2000), prompts(2000, words=201), strict=True) for p in (few, many)]
    found = estimate(make_config(), make_facts(), tmp_path / "none.sqlite", mixed)
    each = found.prompt_tokens / 4000
    assert each == pytest.approx(3 + 3 + 1 + 1 + 101, rel=0.1)
    assert "1,000 of them" in said(found.notes, "prompts:")


def test_the_teacher_tells_its_litellm_and_the_hash_of_the_price_map(make_teacher):
    spec = find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    bundled = json.loads(Path(spec.origin).with_name("model_prices_and_context_window_backup.json").read_text())
    bundled.pop("fallback_generalizations", None)  # rules of litellm's, no prices; its loader takes them out
    told = make_teacher(model="openai/gpt-4").provenance()
    digest = hashlib.blake2b(json.dumps(bundled, sort_keys=True).encode(), digest_size=16).hexdigest()
    assert told == {"litellm": metadata.version("litellm"), "price_map": digest}


PAPER = {
    "chatgpt": (5_000_000, 242, 2, {"requests_per_minute": 300, "tokens_per_minute": 120_000}, 1, (2, 2)),
    "gpt-4": (1_000_000, 363, 3, {"requests_per_minute": 18, "tokens_per_minute": 10_000}, 2, (30, 60)),
}


@pytest.mark.parametrize("teacher", PAPER)
@pytest.mark.parametrize("answers", ["guessed", "measured"])
def test_the_papers_two_and_three_weeks_come_out(tmp_path, teacher, answers):
    n, length, weeks, limits, endpoints, (prompt, completion) = PAPER[teacher]
    config = make_config(
        model=f"openai/{teacher}",
        workers=64,
        endpoints=[{"name": f"e{i}", **limits} for i in range(endpoints)],
        price={"prompt": prompt, "completion": completion},
    )
    path, asked = tmp_path / "log.sqlite", flan_like(1000)
    if answers == "measured":
        with ResponseLog(path) as log:
            answer(log, config, prompts(5), completion_tokens=length, latency_s=8.0)
    found = estimate(config, make_facts("gpt-4"), path, asked)
    scale = n / len(asked)
    assert found.prompt_tokens / len(asked) == pytest.approx(242, rel=0.05), "as long as FLAN's"
    assert round(found.hours * scale / (7 * 24)) == weeks
    if answers == "measured":
        assert found.hours * scale / (7 * 24) == pytest.approx(weeks, rel=0.03)
        assert "tokens/min" in said(found.notes, "time:")
        assert found.cost_usd * scale == pytest.approx({"chatgpt": 4840, "gpt-4": 29040}[teacher], rel=0.03)
