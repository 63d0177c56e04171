"""Learning a skill: baseline, contrast, hypotheses, page, gate, the next version, and the test on fresh questions.

Questions for writing, for trying versions and for the final test are disjoint. Whoever wrote the page never sees the last.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import compress
from random import Random
from typing import Any

from orca_core import Prompt, Responder, Trace, UserError
from orca_core.seen import distinct
from orca_core.stats import reservoir
from orca_skillgen.asking import answers, blank
from orca_skillgen.config import SkilledConfig
from orca_skillgen.gate import Counts, Gate
from orca_skillgen.induction import case
from orca_skillgen.skill import Skill
from orca_skillgen.writing import Attempt, Writer

log = logging.getLogger("orca")


@dataclass
class Lesson:
    """What came of learning."""

    skill: Skill | None = None
    """The skill that is given from now on; None: none passed."""
    refused: str = ""
    """Why there is none."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What was tried, with counts, intervals and the ids of the questions: the content of ``verification.json``."""


@dataclass(frozen=True)
class Paired:
    """The same questions with and without a skill."""

    base: Sequence[Trace]
    skill: Sequence[Trace]

    @property
    def counts(self) -> Counts:
        """Pairs of which one side is blank are dropped, and counted."""
        whole = [not blank(a) and not blank(b) for a, b in zip(self.base, self.skill, strict=True)]
        if not any(whole):
            raise UserError(
                "teacher 'skilled': the teacher gave no answer to any of the questions for its skill's test"
            )
        base, skill = (
            {t.prompt.id: bool(t.correct) for t in compress(side, whole)} for side in (self.base, self.skill)
        )
        return Counts.of(base, skill, len(whole) - sum(whole))

    def attempt(self, page: str, refused: str) -> Attempt:
        """What the next version is to know of this one."""
        pairs = [(case(a), case(b)) for a, b in zip(self.base, self.skill, strict=True)]
        return Attempt(
            page,
            refused,
            [b for a, b in pairs if b.right and not a.right],
            [b for a, b in pairs if a.right and not b.right],
            [b for a, b in pairs if not a.right and not b.right],
        )


class Learning:
    """Learns one skill.

    Args:
        config: sizes and the gate.
        base: the teacher that is to have the skill.
        writer: the teacher that writes it.
        verdict: gives a trace its verdict.
        seed: of the split of the questions.
    """

    def __init__(
        self,
        config: SkilledConfig,
        base: Responder,
        writer: Responder,
        verdict: Callable[[Trace], Trace],
        seed: int,
    ) -> None:
        self.config, self.base, self.writer, self.verdict, self.seed = config, base, Writer(writer), verdict, seed
        self.gate = Gate(config.min_gain, config.max_regression, config.alpha)

    def learn(self, prompts: Iterable[Prompt]) -> Lesson:
        """The lesson from questions with gold answers.

        Raises:
            UserError: they are too few.
        """
        induce, verify, fresh = self._split(prompts)
        cases = [case(trace) for trace in self._answers(self.base, induce) if not blank(trace)]
        right = sum(one.right for one in cases)
        lesson = Lesson(facts={"seed": self.seed, "induce": {"n": len(cases), "right": right, "ids": _ids(induce)}})
        if right in (0, len(cases)):
            lesson.refused = f"{right} of {len(cases)} answers are right: there is nothing to contrast"
        else:
            hypotheses = self.writer.hypotheses(cases) or []
            lesson.facts["hypotheses"] = [asdict(one) for one in hypotheses]
            lesson.refused = "the writer has no hypothesis that can be read"
            if hypotheses:
                self._rounds(lesson, lambda attempts: self.writer.skill(hypotheses, attempts), verify)
            if lesson.skill is not None and self.config.gate == "exact":
                self._final(lesson, lesson.skill, fresh)
        writer = {"replies": self.writer.replies, "malformed": self.writer.malformed, "problems": self.writer.problems}
        lesson.facts |= {"writer": writer, "verdict": f"refused: {lesson.refused}" if lesson.refused else "accepted"}
        return lesson

    def _rounds(
        self, lesson: Lesson, write: Callable[[Sequence[Attempt]], Skill | None], verify: Sequence[Prompt]
    ) -> None:
        """Try versions until one passes; its page and those before are in the facts."""
        check = self.gate.released if self.config.gate == "released" else self.gate.limited
        attempts: list[Attempt] = []
        rounds: list[dict[str, Any]] = []
        lesson.facts |= {"verify": {"ids": _ids(verify)}, "rounds": rounds}
        base = [] if self.config.gate == "none" else self._answers(self.base, verify)
        for number in range(1, self.config.rounds + 1):
            skill = write(attempts)
            if skill is None:
                lesson.refused = attempts[-1].refused if attempts else "the writer wrote no readable page"
                return
            rounds.append({"page": skill.markdown})
            if self.config.gate != "none":
                paired = self._pairs(skill, base)
                refused = check(paired.counts) or ""
                attempts.append(paired.attempt(skill.markdown, refused))
                rounds[-1] |= paired.counts.facts() | {"refused": refused}
                log.info("skilled: version %d, %s: %s", number, skill.name, refused or "passes")
            if self.config.gate == "none" or not attempts[-1].refused:
                lesson.skill, lesson.refused = skill, ""
                return
        lesson.refused = attempts[-1].refused

    def _final(self, lesson: Lesson, skill: Skill, fresh: Sequence[Prompt]) -> None:
        counts = self._pairs(skill, self._answers(self.base, fresh)).counts
        if refused := self.gate.final(counts):
            lesson.skill, lesson.refused = None, f"on fresh questions: {refused}"
        lesson.facts["fresh"] = {"ids": _ids(fresh), **counts.facts()}

    def _pairs(self, skill: Skill, base: Sequence[Trace]) -> Paired:
        """Each question once more with the skill; where it does not apply, the answer stays what it was."""
        dressed = {trace.prompt.id: skill.dress(trace.prompt) for trace in base}
        changed = [trace for trace in base if dressed[trace.prompt.id] != trace.prompt]
        asked = self._answers(self.base, [dressed[trace.prompt.id] for trace in changed])
        new = {old.prompt.id: replace(trace, prompt=old.prompt) for old, trace in zip(changed, asked, strict=True)}
        return Paired(base, [new.get(trace.prompt.id, trace) for trace in base])

    def _answers(self, responder: Responder, prompts: Sequence[Prompt]) -> list[Trace]:
        return [self.verdict(trace) for trace in answers(responder, prompts)]

    def _split(self, prompts: Iterable[Prompt]) -> tuple[list[Prompt], list[Prompt], list[Prompt]]:
        """Questions for writing, trying and testing, drawn at random."""
        judged = (prompt for prompt in prompts if prompt.query.target is not None)
        needed, config = self.config.questions, self.config
        drawn, there = reservoir(distinct(judged, lambda prompt: prompt.query.id), needed)
        if there < needed:
            raise UserError(
                f"teacher.train: draws {there} distinct questions with a gold answer, and {needed} are needed "
                "(induce + verify + fresh); have more drawn, or ask for fewer"
            )
        Random(f"skillgen {self.seed}").shuffle(drawn)
        second = config.induce + config.verify
        return drawn[: config.induce], drawn[config.induce : second], drawn[second:]


def _ids(prompts: Sequence[Prompt]) -> list[str]:
    return [prompt.id for prompt in prompts]
