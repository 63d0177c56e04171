"""The page's sections on data: what was drawn, how it was answered, and what became of it on the way to training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orca_core.report import draw_plots, text
from orca_core.report.model import Report
from orca_core.report.sections import OTHERS, Answers, Draw, Example, Funnel, HeldBack, Lengths, LengthTable
from orca_core.report.svg import SERIES

LABEL: Final = 96
"""Characters of a system message that fit into a table, and into a plot."""
_SHORT_LABEL: Final = 34
_PLOTTED_MESSAGES: Final = 20


@dataclass(frozen=True)
class DrawView:
    """A draw with its plots."""

    draw: Draw
    summary: str
    colours: Mapping[str, str]
    """Colour variable of each collection."""
    names: Mapping[str, str]
    """Name of each system message."""
    words: Mapping[str, Lengths]
    pool_columns: Sequence[str]
    tasks: str | None
    lengths: str | None
    examples: Sequence[Example]
    """In the order of the collections."""


@dataclass(frozen=True)
class AnswersView:
    """The answers of all phases beside each other."""

    phases: Sequence[tuple[Answers, str]]
    """Each with its colour variable."""
    ratios: Sequence[str]
    lengths: str | None
    by_collection: str | None
    by_message: str | None
    collections: Sequence[tuple[str, Sequence[tuple[Answers, Lengths]]]]
    """Of each collection the phases that have answers there."""


@dataclass(frozen=True)
class FunnelView:
    """A funnel with what was held back by step and reason."""

    funnel: Funnel
    most: int
    """The highest count of a step, whose bar is as wide as its column."""
    held_back: Sequence[tuple[tuple[str, str], Sequence[HeldBack]]]
    first_overlaps: int = 15
    """How many are open to see."""


def draw_views(report: Report) -> list[DrawView]:
    """Every draw that has a prompt."""
    names = message_names(report)
    return [_draw_view(draw, names) for draw in report.draws if draw.n]


def answers_view(report: Report) -> AnswersView | None:
    """The answers of all phases; None if there are none."""
    phases = [(answers, _series(index)) for index, answers in enumerate(found for found in report.answers if found.n)]
    if not phases:
        return None
    words = [(answers.words, colour) for answers, colour in phases if answers.words]
    names = message_names(report)
    widest = max((table for table, _ in words), key=lambda table: len(table.edges), default=None)
    whole = [(colour, _widened(table.all, widest)) for table, colour in words if widest]
    by_collection = _rows((table.collections, colour) for table, colour in words)
    by_message = _rows((table.messages, colour) for table, colour in words)
    labelled = [
        (message_label(group, names.get(group, ""), _SHORT_LABEL), series) for group, series in by_message.items()
    ]
    return AnswersView(
        phases=phases,
        ratios=length_ratios(report.answers),
        lengths=draw_plots.length_plot(whole, widest.edges, "words of an answer") if widest else None,
        by_collection=_spread([(collection_label(group), series) for group, series in by_collection.items()]),
        by_message=_spread(labelled[:_PLOTTED_MESSAGES]),
        collections=_collections([answers for answers, _ in phases]),
    )


def funnel_views(report: Report) -> list[FunnelView]:
    """Every funnel."""
    return [
        FunnelView(
            funnel,
            max(max(step.before, step.after) for step in funnel.steps) or 1,
            _grouped(funnel.held_back),
        )
        for funnel in report.funnels
        if funnel.steps
    ]


def message_label(message: str, name: str = "", limit: int = LABEL) -> str:
    """A system message in few words, after its name in the config if it has one."""
    words = text.clean(message) or "(empty)"
    if len(words) > limit:
        words = words[:limit].rsplit(" ", 1)[0].rstrip(" ,.;:") + "\u2026"
    return f"{text.clean(name)} {words}" if name else words


def collection_label(collection: str) -> str:
    """The name of a collection, or that there is none."""
    return text.clean(collection) or "(no collection)"


def message_names(report: Report) -> dict[str, str]:
    """The name of each system message, by text: as in the config, or a number where the config has none."""
    rows = {row.message: row.name for draw in report.draws for row in draw.messages}
    several = len(rows) > 1
    return {
        message: name or (f"#{number}" if several and message != OTHERS else "")
        for number, (message, name) in enumerate(rows.items(), start=1)
    }


def length_ratios(phases: Sequence[Answers]) -> list[str]:
    """How much longer each later phase's answers are than the first one's, in words and in tokens where they are known."""
    lines = []
    for later in phases[1:]:
        parts = []
        for unit in ("words", "tokens"):
            first, second = getattr(phases[0], unit), getattr(later, unit)
            if first and second and first.all.mean:
                ratio, means = second.all.mean / first.all.mean, (second.all.mean, first.all.mean)
                parts.append(f"{ratio:.2f} times the {unit} ({means[0]:.1f} against {means[1]:.1f} on average)")
        if parts:
            lines.append(f"{later.title} against {phases[0].title}: {', '.join(parts)}")
    return lines


def draw_summary(draw: Draw) -> str:
    """A draw in one line."""
    choices = sum(row.multiple_choice for row in draw.collections)
    messages = sum(row.message != OTHERS for row in draw.messages)
    more = "more than " if any(row.message == OTHERS for row in draw.messages) else ""
    parts = [
        counted(draw.n, "prompt"),
        counted(len(draw.collections), "collection"),
        counted(draw.tasks.count, "task") if draw.tasks else "",
        more + counted(messages, "system message"),
        f"{text.percent(choices / draw.n)} % multiple choice" if choices else "",
    ]
    return " \u00b7 ".join(part for part in parts if part)


def counted(n: int, thing: str) -> str:
    """``1 task``, ``1,913 tasks``."""
    return f"{text.count(n)} {thing}{'' if n == 1 else 's'}"


def _draw_view(draw: Draw, names: Mapping[str, str]) -> DrawView:
    colours = {row.collection: _series(index) for index, row in enumerate(draw.collections)}
    words = {lengths.group: lengths for lengths in draw.words.collections} if draw.words else {}
    several = draw.tasks and draw.tasks.count > 1
    order = list(colours)
    return DrawView(
        draw=draw,
        summary=draw_summary(draw),
        colours=colours,
        names=names,
        words=words,
        pool_columns=list(dict.fromkeys(name for pool in draw.pools.values() for name in pool)),
        tasks=draw_plots.task_plot(draw.tasks.histogram, colours, draw.tasks.edges) if several and draw.tasks else None,
        lengths=_draw_lengths(draw.words, colours) if draw.words else None,
        examples=sorted(draw.examples, key=lambda one: order.index(one.collection) if one.collection in order else -1),
    )


def _draw_lengths(words: LengthTable, colours: Mapping[str, str]) -> str | None:
    series = [(colours.get(lengths.group, "base"), lengths) for lengths in words.collections]
    return draw_plots.length_plot(series, words.edges, "words of a query")


def _series(index: int) -> str:
    spare = SERIES[1:]
    return spare[index % len(spare)]


def _widened(lengths: Lengths, table: LengthTable) -> Lengths:
    """With as many bins as the table has: bins begin at the same lengths everywhere, but end at the longest text."""
    more = [0] * (len(table.edges) - len(lengths.histogram))
    return lengths.model_copy(update={"histogram": lengths.histogram + more})


def _rows(tables: Iterable[tuple[Sequence[Lengths], str]]) -> dict[str, list[tuple[str, Lengths]]]:
    """The series of each group, over phases; the groups with the most texts first."""
    rows: dict[str, list[tuple[str, Lengths]]] = {}
    for groups, colour in tables:
        for lengths in groups:
            rows.setdefault(lengths.group, []).append((colour, lengths))
    order = sorted(rows, key=lambda group: (group == OTHERS, -sum(lengths.n for _, lengths in rows[group])))
    return {group: rows[group] for group in order}


def _spread(rows: Sequence[tuple[str, Sequence[tuple[str, Lengths]]]]) -> str | None:
    """Plotted where there is something to compare."""
    return draw_plots.spread_plot(rows, "words of an answer") if len(rows) > 1 else None


def _collections(phases: Sequence[Answers]) -> list[tuple[str, list[tuple[Answers, Lengths]]]]:
    found: dict[str, list[tuple[Answers, Lengths]]] = {}
    for answers in phases:
        for lengths in answers.words.collections if answers.words else ():
            found.setdefault(lengths.group, []).append((answers, lengths))
    return list(found.items())


def _grouped(held_back: Sequence[HeldBack]) -> list[tuple[tuple[str, str], list[HeldBack]]]:
    groups: dict[tuple[str, str], list[HeldBack]] = {}
    for example in held_back:
        groups.setdefault((example.by, example.reason), []).append(example)
    return list(groups.items())
