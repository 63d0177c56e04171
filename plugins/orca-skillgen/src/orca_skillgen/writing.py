"""Having a skill written: any teacher may be the writer. It proposes hypotheses, then writes the page, then rewrites it.

What it replies is read strictly. A reply that cannot be read is asked for once more, with what is wrong with it; a second
such reply ends the attempt. Both are counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeVar

from orca_core import Prompt, Query, Responder
from orca_core.records import DEAD
from orca_skillgen.asking import answers
from orca_skillgen.conditions import GRAMMAR, parse
from orca_skillgen.induction import Case, contrasts
from orca_skillgen.skill import SECTIONS, WORD_LIMIT, MalformedError, Skill, read, unfenced

T = TypeVar("T")
TASK: Final = "skillgen"
"""The task of a writer's queries; ``query.meta[TASK]`` holds as data what an offline writer works from."""
SYSTEM: Final = (
    "You find out why an assistant fails at some questions and write advice for it. "
    "You reply in exactly the form that is asked for."
)
SHOWN_PAIRS: Final = 8
SHOWN_CASES: Final = 4
SHOWN_CHARACTERS: Final = 1_500
MOST_HYPOTHESES: Final = 6
NOTHING: Final = "NONE"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What may set right answers apart from wrong ones, on the questions of which ``when`` holds."""

    when: str
    do: str
    avoid: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """A skill that was tried, and what became of the questions."""

    page: str
    refused: str
    repaired: Sequence[Case] = ()
    broken: Sequence[Case] = ()
    still_wrong: Sequence[Case] = ()


@dataclass
class Writer:
    """Asks a teacher to write, and counts what it replied."""

    teacher: Responder
    replies: int = 0
    malformed: int = 0
    problems: list[str] = field(default_factory=list)
    """What was wrong with the malformed ones."""

    def hypotheses(self, cases: Sequence[Case]) -> list[Hypothesis] | None:
        """Hypotheses from contrasted cases; None where the writer gives no readable ones."""
        shown = "\n\n".join(_pair(*pair) for pair in contrasts(cases)[:SHOWN_PAIRS])
        right = sum(case.right for case in cases)
        text = (
            f"An assistant answered {len(cases)} questions, {right} of them rightly. Here are wrong answers, each beside the "
            f"right answer to the most similar question.\n\n{shown}\n\n"
            "First ask of each pair whether the two are the same type of problem; pass over those that are not. Then say what "
            "the right answers did that the wrong ones missed.\n\n" + HYPOTHESES_FORM
        )
        data = {"wanted": "hypotheses", "cases": [asdict(case) for case in cases]}
        return self._ask(text, data, read_hypotheses)

    def skill(self, hypotheses: Sequence[Hypothesis], attempts: Sequence[Attempt]) -> Skill | None:
        """The page, in the light of what earlier ones came to; None where the writer gives no readable one, or gives up."""
        listed = json.dumps([asdict(one) for one in hypotheses], indent=1, ensure_ascii=False)
        text = f"Hypotheses on why an assistant fails at some questions:\n{listed}\n\n"
        if attempts:
            text += "\n\n".join(map(_attempt, attempts[-1:])) + "\n\n" + REVISE
        data = {
            "wanted": "skill",
            "hypotheses": [asdict(one) for one in hypotheses],
            "tried": [one.page for one in attempts],
        }
        return self._ask(text + SKILL_FORM, data, read_page)

    def _ask(self, text: str, data: Mapping[str, Any], reader: Callable[[str], T]) -> T | None:
        asked = text
        for _ in range(2):
            trace = answers(self.teacher, [Prompt(Query(asked, TASK, meta={TASK: dict(data)}), SYSTEM)])[0]
            self.replies += 1
            try:
                if trace.finish_reason == DEAD:
                    raise MalformedError(f"no reply: {trace.error}")
                return reader(trace.text)
            except MalformedError as error:
                self.malformed += 1
                self.problems.append(str(error))
                asked = (
                    f"{text}\n\nYour last reply could not be used: {error}. Reply with nothing but what is asked for."
                )
        return None


HYPOTHESES_FORM: Final = (
    f"Reply with a JSON list of at most {MOST_HYPOTHESES} objects, the most promising first, and nothing else. Each has exactly "
    '"when" (a condition on the question), "do" and "avoid" (advice in a sentence or two; no mention of particular questions). '
    f"A condition is {GRAMMAR}."
)
SKILL_FORM: Final = (
    "Write one page of advice that makes the assistant right where it is wrong, and leaves alone what it gets right. Reply with "
    "the page and nothing else, in this form:\n\n---\nname: small-letters-and-hyphens\ndescription: one line\n"
    "when: a condition on the question\n---\n\n" + "\n\n".join(f"## {title}\n..." for title in SECTIONS) + "\n\n"
    f"At most {WORD_LIMIT} words. Each rule stands in one place only; no mention of particular questions. The page is given with "
    f"the questions of which the condition holds and with no others. A condition is {GRAMMAR}. Where nothing is left to try, "
    f"reply with the one word {NOTHING}."
)
REVISE: Final = (
    "Write the next version: keep what repaired answers, soften or remove what broke right ones (which weighs more), add what "
    "the questions still answered wrongly need.\n\n"
)


def read_hypotheses(text: str) -> list[Hypothesis]:
    """Read a list of hypotheses.

    Raises:
        MalformedError: it is none.
    """
    try:
        rows = json.loads(unfenced(text))
    except (json.JSONDecodeError, RecursionError) as error:
        raise MalformedError(f"not JSON: {error}") from None
    if not isinstance(rows, list) or len(rows) > MOST_HYPOTHESES:
        raise MalformedError(f"not a list of at most {MOST_HYPOTHESES} hypotheses")
    return [_hypothesis(row) for row in rows]


def read_page(text: str) -> Skill | None:
    """Read a skill's page, or that there is nothing left to write (None).

    Raises:
        MalformedError: it is neither.
    """
    return None if text.strip() == NOTHING else read(text)


def _hypothesis(row: Any) -> Hypothesis:
    keys = ("when", "do", "avoid")
    if not isinstance(row, dict) or sorted(row) != sorted(keys) or not all(isinstance(v, str) for v in row.values()):
        raise MalformedError(f"a hypothesis is an object of the texts {', '.join(keys)}, not {str(row)[:80]}")
    try:
        when = str(parse(row["when"]))
    except ValueError as error:
        raise MalformedError(f"when: {error}") from None
    if not row["do"].strip() and not row["avoid"].strip():
        raise MalformedError("a hypothesis says neither what to do nor what to avoid")
    return Hypothesis(when, row["do"].strip(), row["avoid"].strip())


def _pair(wrong: Case, right: Case) -> str:
    return f"WRONG\n{_case(wrong)}\nRIGHT\n{_case(right)}"


def _case(case: Case) -> str:
    answer = case.answer if len(case.answer) <= SHOWN_CHARACTERS else f"{case.answer[:SHOWN_CHARACTERS]} [...]"
    return f"Question: {case.question}\nAnswer: {answer}\nRight would be: {case.target}"


def _attempt(attempt: Attempt) -> str:
    parts = [f"The last page was:\n\n{attempt.page}\nIt was refused: {attempt.refused}."]
    groups = {
        "It repaired": attempt.repaired,
        "It broke": attempt.broken,
        "Still wrong": attempt.still_wrong,
    }
    parts += [f"{title}:\n{_case(case)}" for title, cases in groups.items() for case in cases[:SHOWN_CASES]]
    return "\n\n".join(parts)
