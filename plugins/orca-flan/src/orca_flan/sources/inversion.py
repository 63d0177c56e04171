"""Input inversions: given an answer and its explanation, write the question. Half of FLAN's 18 chain-of-thought tasks."""

from __future__ import annotations

from typing import Final

from orca_core.records import Query
from orca_flan.sources.base import gold

WORDINGS: Final = (
    "{explanation}\n\nThat is why the answer is: {answer}\n\nWhat was the question?{options}",
    "Somebody was asked a question. This is how they thought about it:\n{explanation}\n\n"
    "And this is what they answered: {answer}\n\nWrite the question that they were asked.{options}",
    "Answer: {answer}\nReasoning: {explanation}\n\n"
    "Find a question that this is the answer to, for the reason given.{options}",
    "Complete the exercise: its solution is there, but its question is missing.{options}\n\n"
    "Solution: {explanation}\nFinal answer: {answer}\nQuestion:",
)
OPTIONS: Final = " List the options to choose from, too."


def invert(query: Query, task: str) -> Query:
    """The query that asks for this one's text; its wording follows from the content, so it is the same in every run."""
    wording = WORDINGS[int(query.id, 16) % len(WORDINGS)]
    explanation, answer = str(query.meta["explanation"]).strip(), (query.target or "").strip()
    text = wording.format(explanation=explanation, answer=answer, options=OPTIONS if query.choices else "")
    meta = {"template": query.meta["template"], "source": query.meta["source"], **gold(query.text, ())}
    return Query(text, task, query.collection, query.text, (), meta)
