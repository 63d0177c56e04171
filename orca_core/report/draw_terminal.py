"""What was drawn, how it was answered and what became of it, as a few tables in a terminal; the page has the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from orca_core.records import FINISHED
from orca_core.report import text
from orca_core.report.draw_page import collection_label, draw_summary, length_ratios, message_label, message_names
from orca_core.report.model import Report
from orca_core.report.sections import Answers, Draw, Funnel, Lengths, LengthTable, Step
from orca_core.report.tables import new_table, plain

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_MESSAGES: Final = 20
_FIGURES_WIDTH: Final = 18
_REASONS: Final = 4


def data_tables(report: Report, width: int) -> Iterator[RenderableType]:
    """The tables of all draws, of the answers and of the funnels, fitted to a width in characters.

    System messages are for those who look at a draw; beside scores they would be too much.
    """
    names = message_names(report)
    for draw in report.draws:
        yield f"[bold]prompts {plain(draw.title)}[/]\n[dim]{plain(draw_summary(draw))}[/]"
        yield _collection_table(draw)
        if len(draw.messages) > 1 and not report.scores:
            yield _message_table(draw, names, width)
    answers = [answers for answers in report.answers if answers.n]
    if answers:
        yield _answers_table(answers)
        yield from map(plain, length_ratios(answers))
    yield from (_funnel_table(funnel) for funnel in report.funnels)


def _collection_table(draw: Draw) -> Table:
    words = {lengths.group: lengths for lengths in draw.words.collections} if draw.words else {}
    taken_of = any("pool" in pool for pool in draw.pools.values())
    table = new_table("")
    table.title = None
    table.add_column("collection", overflow="fold")
    headers = ["prompts", "%", *(["of pool"] if taken_of else []), "tasks", "choice %", *(["words"] if words else [])]
    for header in headers:
        table.add_column(header, justify="right", no_wrap=True)
    for row in draw.collections:
        pool = draw.pools.get(row.collection, {}).get("pool")
        cells = [text.count(row.n), text.percent(row.n / draw.n), *([text.count(pool)] if taken_of else [])]
        cells += [text.count(row.tasks), text.percent(row.multiple_choice / row.n)]
        table.add_row(
            plain(collection_label(row.collection)), *cells, *([_spread(words.get(row.collection))] if words else [])
        )
    return table


def _message_table(draw: Draw, names: dict[str, str], width: int) -> Table:
    table = new_table("")
    table.title = None
    table.add_column("system message", overflow="fold")
    table.add_column("prompts", justify="right", no_wrap=True)
    table.add_column("%", justify="right", no_wrap=True)
    room = max(20, width - _FIGURES_WIDTH)
    for row in draw.messages[:_MESSAGES]:
        label = message_label(row.message, names[row.message], room - len(names[row.message]) - 2)
        table.add_row(plain(label), text.count(row.n), text.percent(row.n / draw.n))
    if rest := draw.messages[_MESSAGES:]:
        n = sum(row.n for row in rest)
        table.add_row(f"[dim]{len(rest)} more[/]", text.count(n), text.percent(n / draw.n))
    return table


def _answers_table(phases: Sequence[Answers]) -> Table:
    table = new_table("teachers' answers")
    table.add_column("phase", overflow="fold")
    for header in ("answers", "words", "mean", "tokens", "mean", "finished %", "correct %"):
        table.add_column(header, justify="right", no_wrap=True)
    for answers in phases:
        judged = sum(verdicts.judged for verdicts in answers.verdicts)
        correct = sum(verdicts.correct for verdicts in answers.verdicts)
        table.add_row(
            plain(answers.title),
            text.count(answers.n),
            *_length_cells(answers.words),
            *_length_cells(answers.tokens),
            text.percent(answers.finish_reasons.get(FINISHED, 0) / answers.n),
            text.percent(correct / judged) if judged else text.DASH,
        )
    return table


def _funnel_table(funnel: Funnel) -> Table:
    table = new_table(f"funnel {funnel.title}")
    table.add_column("step", overflow="fold", min_width=8)
    for header in ("came in", "kept", "%"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("held back", overflow="fold", style="dim")
    for step in funnel.steps:
        share = text.percent(step.after / step.before) if step.before else text.DASH
        table.add_row(
            plain(text.words(step.name)), text.count(step.before), text.count(step.after), share, _reasons(step)
        )
    return table


def _reasons(step: Step) -> str:
    shown = [
        f"{text.count(reason.count)} {reason.reason}{'' if reason.dropped else ' (noted)'}"
        for reason in step.reasons[:_REASONS]
    ]
    more = [f"{len(step.reasons) - _REASONS} more"] if len(step.reasons) > _REASONS else []
    return plain(", ".join(shown + more))


def _length_cells(lengths: LengthTable | None) -> tuple[str, str]:
    return (_spread(lengths.all), f"{lengths.all.mean:.1f}") if lengths else (text.DASH, text.DASH)


def _spread(lengths: Lengths | None) -> str:
    """The median with the middle 90 %."""
    if lengths is None:
        return text.DASH
    low, *_, high = lengths.percentiles
    return f"{text.count(lengths.percentiles[2])} [dim]{text.count(low)}{text.DASH}{text.count(high)}[/]"
