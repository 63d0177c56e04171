"""The teacher: log first, then the network; every reply is in the log before it is handed on."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping

from orca_core import Context, Estimate, Prompt, Trace
from orca_core.decoding import Redecoded, by_decoding
from orca_core.responses import FILE, Maybe, ResponseLog
from orca_core.responses.parts import unanswered
from orca_litellm import LiteLLMConfig
from orca_litellm.asking.round import Round
from orca_litellm.batch.job import BatchJob
from orca_litellm.batch.leftovers import clear_up
from orca_litellm.batch.responding import respond_by_batch
from orca_litellm.facts import Facts, get_facts
from orca_litellm.keys import Keys

log = logging.getLogger("orca")


class LiteLLMTeacher:
    """A responder that asks one model, at one endpoint or several, and never the same thing twice."""

    keeps_answers = True

    def __init__(self, config: LiteLLMConfig, context: Context) -> None:
        self._config, self._cache, self._share = config, context.cache, context.share
        self._redecoded = Redecoded(config)
        self._path = context.cache / FILE
        self._dead: dict[bytes, str] = {}

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        """One trace per prompt as soon as its reply is in the log, in the order of arrival.

        A prompt that this teacher has given up is not tried again by it: the next run does that.

        Raises:
            OutOfBudgetError: the next request might pass a cap.
            UserError: no key, an endpoint that refuses or stays silent, a prompt that asks for likelihoods.
        """
        with ResponseLog(self._path) as responses:
            tell_of(responses.recover())
            for decoding, some in by_decoding(prompts):
                yield from self._answers(self._redecoded(decoding), some, responses)

    def _answers(self, config: LiteLLMConfig, prompts: Iterable[Prompt], responses: ResponseLog) -> Iterator[Trace]:
        job = BatchJob(config, self._cache, responses, share=self._share, dead=self._dead)
        if config.batch:
            yield from respond_by_batch(job, prompts)
        else:
            clear_up(job)
            yield from Round(config, self._cache, responses, share=self._share, dead=self._dead).traces(prompts)

    def estimate(self, prompts: Iterable[Prompt]) -> Estimate:
        """What the prompts that are not in the log will take: see :func:`orca_litellm.plan.estimate`."""
        from orca_litellm.plan import estimate

        return estimate(self._config, self._facts(), self._path, prompts)

    def provenance(self) -> Mapping[str, str]:
        """The litellm and the price map that the answers' costs are from."""
        facts = self._facts()
        return {"litellm": facts.litellm, "price_map": facts.prices}

    def _facts(self) -> Facts:
        config = self._config
        return get_facts(config.model, config.decoding, config.api_base, self._cache)


class OnlineTeacher(LiteLLMTeacher):
    """One whose prompts may be divided among processes. Batches are not: the store's log alone knows those that are out."""

    def pending(self, prompts: Iterable[Prompt]) -> Iterator[Prompt]:
        """The prompts that the log holds no reply to, once what batches brought is in it."""
        self._facts()  # told here, a mistake is told once; known here, the processes need not ask litellm
        with ResponseLog(self._path) as responses:
            tell_of(responses.recover())
            clear_up(BatchJob(self._config, self._cache, responses, share=self._share, dead=self._dead))
        yield from unanswered(self._path, prompts, Keys(self._config))


def tell_of(found: Maybe) -> None:
    """Say what a process that died may have left unpaid-for; what it had out is asked again."""
    if found.count:
        log.warning(
            "%d requests were out when an earlier process died: they may have been billed (at most $%.4f) and are asked again",
            found.count,
            found.usd,
        )
