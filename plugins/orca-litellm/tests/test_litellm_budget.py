"""Hard caps: what a server counts as billed never passes them, whatever fails and whoever asks."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
from orca_litellm.endpoints.places import most_prompt_tokens
from orca_litellm.tokens import find_tokenizer

from orca_core import OutOfBudgetError, UserError
from orca_core.responses import FILE, ResponseLog
from orca_core.testing import FakeOpenAI, faults
from orca_core.testing.faults import Answer

DOLLAR_A_THOUSAND = {"prompt": 1000.0, "completion": 1000.0}
"""A tenth of a cent per token, so that a dollar is soon spent."""


class Till:
    """Answers of random length, and what the server would have billed for them."""

    def __init__(self, longest: int) -> None:
        self.tokens = 0
        self._draw, self._longest = random.Random(5), longest

    def answer(self, messages: object) -> Answer:
        prompt, completion = self._draw.randrange(5, 10), self._draw.randrange(1, self._longest + 1)
        self.tokens += prompt + completion
        return Answer("word", prompt_tokens=prompt, completion_tokens=completion)


@pytest.mark.parametrize(
    "rates", [{}, {faults.dropped(0.5): 0.1, faults.http_error(500): 0.1, faults.malformed(): 0.05}]
)
def test_a_dollar_is_never_passed_and_the_rest_is_not_lost(make_teacher, prompts, tmp_path, rates):
    till, asked = Till(longest=40), prompts(400)
    config = {"workers": 8, "max_tokens": 40, "price": DOLLAR_A_THOUSAND}
    with FakeOpenAI(till.answer, rates=rates) as server:
        with pytest.raises(
            OutOfBudgetError, match=r"account 'default'.*of \$1 are spent.*teacher.budget.usd=2"
        ) as error:
            list(make_teacher(server, **config, budget={"usd": 1}).respond(asked))
        assert 0.8 <= till.tokens / 1000 <= 1
        with ResponseLog(tmp_path / FILE) as log:
            arrived, spent = len(log), log.spent("default")
        assert till.tokens / 1000 <= spent.usd <= 1
        assert ("maybe billed" in str(error.value)) == bool(spent.maybe_requests) == bool(rates)
        with pytest.raises(OutOfBudgetError):
            list(make_teacher(server, **config, budget={"usd": 1}).respond(asked))
        assert till.tokens / 1000 <= 1, "a new process starts from what was spent"
        replies = list(make_teacher(server, **config).respond(asked))
    assert len(replies) == 400
    assert server.billed <= 400 + server.met[faults.dropped(0.5)] + server.met[faults.malformed()]
    assert arrived > 20


def test_two_teachers_share_an_account(make_teacher, prompts):
    till = Till(longest=40)
    config = {"workers": 8, "max_tokens": 40, "price": DOLLAR_A_THOUSAND, "budget": {"usd": 1}}

    def ask() -> None:
        with pytest.raises(OutOfBudgetError):
            list(make_teacher(server, **config).respond(prompts(100)))

    with FakeOpenAI(till.answer, latency=0.01) as server:
        both = [threading.Thread(target=ask) for _ in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
    assert 0.7 <= till.tokens / 1000 <= 1


def test_another_account_has_its_own_books(make_teacher, prompts):
    with FakeOpenAI() as server:
        for account in ("a", "b"):
            teacher = make_teacher(server, budget={"requests": 3, "account": account})
            with pytest.raises(OutOfBudgetError, match=f"'{account}'.*3 of 3 requests are sent"):
                list(teacher.respond(prompts(4)))
        assert len(server.chats) == 6


def test_tokens_and_requests_are_caps_too_and_need_no_price(make_teacher, prompts):
    till = Till(longest=40)
    told = pytest.raises(OutOfBudgetError, match=r"of 1,000 tokens are spent.*teacher.budget.tokens=2000")
    with FakeOpenAI(till.answer) as server, told:
        list(make_teacher(server, max_tokens=40, budget={"tokens": 1000}).respond(prompts(200)))
    assert 500 < till.tokens <= 1000


def test_what_is_in_the_log_costs_nothing(make_teacher, prompts):
    asked = prompts(5)
    with FakeOpenAI() as server:
        assert len(list(make_teacher(server, budget={"requests": 5}).respond(asked))) == 5
        assert len(list(make_teacher(server, budget={"requests": 5}).respond(asked))) == 5


def test_a_share_of_the_work_is_a_share_of_the_budget(make_teacher, prompts, tmp_path):
    with FakeOpenAI() as server:
        with pytest.raises(OutOfBudgetError, match="2 of 2 requests"):
            list(make_teacher(server, share=0.25, budget={"requests": 8}).respond(prompts(4)))
        assert len(server.chats) == 2


def test_dollars_for_an_unpriced_model_are_refused_and_zero_is_a_price(make_teacher, prompts):
    with FakeOpenAI() as server:
        with pytest.raises(UserError, match=r"budget.usd = 1: .*unpriced.*teacher.price.prompt="):
            list(make_teacher(server, max_tokens=9, budget={"usd": 1}).respond(prompts(1)))
        free = {"prompt": 0, "completion": 0}
        (trace,) = make_teacher(server, max_tokens=9, budget={"usd": 0}, price=free).respond(prompts(1))
        assert len(server.chats) == 1
    assert trace.cost_usd == 0


def test_a_budget_needs_an_end_to_the_answers(make_teacher, prompts):
    with FakeOpenAI() as server:
        with pytest.raises(UserError, match=r"teacher\.max_tokens"):
            list(make_teacher(server, budget={"tokens": 1000}).respond(prompts(1)))
        assert server.requests == []


def test_no_tokenizer_makes_more_tokens_than_the_bound():
    text = "Köln, 東京, 🎉 and ordinary words " * 20
    messages = [{"role": "system", "content": "Explain."}, {"role": "user", "content": text}]
    for model in ("gpt-4", "gpt-4o"):
        assert most_prompt_tokens(messages) > find_tokenizer("openai", model).count(messages) + 20


def test_an_endpoint_that_does_not_count_is_booked_at_the_worst(make_teacher, prompts, tmp_path: Path):
    with FakeOpenAI(rates={faults.no_usage(): 1.0}) as server:
        with pytest.raises(OutOfBudgetError):
            list(make_teacher(server, max_tokens=100, budget={"tokens": 1000}).respond(prompts(20)))
        assert 1 <= server.billed < 10
