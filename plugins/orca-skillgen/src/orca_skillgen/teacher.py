"""The teacher ``skilled``: another teacher, given a skill that was learnt from it and verified.

The skill is learnt when the first prompt is asked, and kept in the store's cache under the content of all that decides it:
the teacher, the writer, the questions, the gate and the seed. Whoever asks the same teacher later finds it there.
Answers carry the prompt as it was asked: a student learns to answer without the skill's page.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Final

from orca_core import Component, Context, Estimate, Prompt, Responder, Trace
from orca_core.protocols import Estimates, HasProvenance
from orca_core.store import Slot, Store, key_of, write_json
from orca_core.verify import Judge
from orca_skillgen.asking import open_traces
from orca_skillgen.config import SkilledConfig
from orca_skillgen.learning import Learning
from orca_skillgen.skill import Skill, read

log = logging.getLogger("orca")
SKILL: Final = "SKILL.md"
VERIFICATION: Final = "verification.json"


class Skilled:
    """Puts the skill's page after the system message of the questions to which it applies; refused, it changes nothing.

    It keeps answers if the teacher inside does. It is never one of several that share a log, as each would learn a skill of
    its own: with an executor, one process asks a teacher that keeps its answers.
    """

    def __init__(self, config: SkilledConfig, context: Context) -> None:
        self.config, self.context = config, context
        self.base: Responder = context.make("teacher", config.of)
        self.keeps_answers: bool = getattr(self.base, "keeps_answers", False)
        key = key_of({"seed": context.seed, **context.identity()})
        self.store = Store(context.cache / "skillgen")
        self.slot: Slot = self.store.slot("skills", key)

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        """The base teacher's answers to the prompts, dressed where the skill applies."""
        coming = iter(prompts)
        first = next(coming, None)
        if first is None:
            return
        skill = self.skill()  # before the base teacher is asked this, as learning asks it too
        waiting: dict[str, deque[Prompt]] = defaultdict(deque)

        def dressed() -> Iterator[Prompt]:
            for prompt in chain([first], coming):
                sent = prompt if skill is None else skill.dress(prompt)
                waiting[sent.id].append(prompt)
                yield sent

        with open_traces(self.base, dressed()) as traces:
            for trace in traces:
                asked = waiting[trace.prompt.id]
                yield replace(trace, prompt=asked.popleft())
                if not asked:
                    del waiting[trace.prompt.id]

    def estimate(self, prompts: Iterable[Prompt]) -> Estimate:
        """What the base teacher expects of the prompts. What learning takes, which is done once, is told beside it."""
        learnt = self.slot.done is not None
        skill = self.skill() if learnt else None
        sent = (prompt if skill is None else skill.dress(prompt) for prompt in prompts)
        estimate = self.base.estimate(sent) if isinstance(self.base, Estimates) else Estimate(sum(1 for _ in sent))
        return estimate if learnt else replace(estimate, notes=(*estimate.notes, self._learning()))

    def provenance(self) -> Mapping[str, str]:
        """The base teacher's, and what became of the skill."""
        inner = dict(self.base.provenance()) if isinstance(self.base, HasProvenance) else {}
        done = self.slot.done
        return (
            inner if done is None else inner | {"skill": str(done["verdict"]), "skill_directory": str(self.slot.path)}
        )

    def skill(self) -> Skill | None:
        """The verified skill, learnt now if nobody did before; None: it was refused."""
        if self.slot.done is None:
            with self.store.locked(self.slot, on_wait="skilled: learning"):
                if self.slot.done is None:  # another process may have learnt it while this one waited
                    self._learn()
        page = self.slot.path / SKILL
        return read(page.read_text(encoding="utf-8")) if page.exists() else None

    def _learn(self) -> None:
        make, config = self.context.make, self.config
        judge = Judge(lambda name: make("verifier", {"name": name}))
        writer = make("teacher", config.writer)
        log.info("skilled: learning a skill from %d questions, %d prompts at most", config.questions, config.most_asked)
        lesson = Learning(config, self.base, writer, judge, self.context.seed).learn(
            make("sampler", config.train).sample()
        )
        page = self.slot.path / SKILL
        page.unlink(missing_ok=True)
        if lesson.skill is not None:
            page.write_text(lesson.skill.markdown, encoding="utf-8")
        write_json(self.slot.path / VERIFICATION, lesson.facts)
        self.slot.finish({"verdict": lesson.facts["verdict"]})
        level = logging.INFO if lesson.skill else logging.WARNING
        log.log(level, "skilled: the skill is %s; see %s", lesson.facts["verdict"], self.slot.path)

    def _learning(self) -> str:
        """What learning takes, in words."""
        most, cost = self.config.most_asked, ""
        if isinstance(self.base, Estimates):
            train = self.base.estimate(self.context.make("sampler", self.config.train).sample())
            if train.cost_usd is not None:
                cost = f", about ${train.cost_usd / max(1, train.prompts) * most:,.2f} in all"
        return f"before that, once, learning the skill asks up to {most:,} prompts more{cost}, and the writer a few"


SKILLED: Final = Component[SkilledConfig, Responder]("skilled", SkilledConfig, Skilled)
