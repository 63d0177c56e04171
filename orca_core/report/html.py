"""The report as one self-contained HTML page: style and plots inline, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orca_core.report import draw_page, plots, text
from orca_core.report.model import BASE, STUDENT, Report, Sample, ScoreRow, parse
from orca_core.report.sections import PERCENTILES
from orca_core.report.subjects import KINDS
from orca_core.report.svg import SERIES
from orca_core.report.views import ScoreTable, at_chance, paired_tables, score_tables, subject_order
from orca_core.stats import AVERAGE

_HERE = Path(__file__).parent


def write_html(report: Report | Mapping[str, Any], path: Path | str) -> None:
    """Write the page of a report. ``report`` is a :class:`Report` or decoded ``report.json``."""
    report = parse(report)
    colours = subject_colours(report)
    page = render(
        "report.html.j2",
        report=report,
        summary=_summary(report),
        cards=_cards(report),
        tables=[(table, _score_plot(table, colours)) for table in score_tables(report)],
        colours=colours,
        loss=markup(plots.loss_curves(report.curves)),
        comparisons=paired_tables(report),
        average=AVERAGE,
        kinds=KINDS,
        **_data(report),
        samples=_grouped(report.samples),
        config=dump_yaml(report.config),
        versions=dump_yaml(report.versions),
        at_chance=at_chance,
        has_chance=lambda table: any(text.known(row.chance) for row in table.rows),
    )
    Path(path).write_text(page, encoding="utf-8")


def _data(report: Report) -> dict[str, Any]:
    """What the sections on data show, and what they show it with."""
    return {
        "draws": draw_page.draw_views(report),
        "answers": draw_page.answers_view(report),
        "funnels": draw_page.funnel_views(report),
        "percentiles": PERCENTILES,
        "collection_label": draw_page.collection_label,
        "message_label": draw_page.message_label,
        "counted": draw_page.counted,
        "markup": markup,
    }


def render(template: str, **values: Any) -> str:
    """A page from a template of this package; values are escaped unless they are ``Markup``."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    loader = FileSystemLoader(_HERE)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style = Markup((_HERE / "style.css").read_text(encoding="utf-8"))
    return environment.get_template(template).render(style=style, text=text, **values)


def subject_colours(report: Report) -> dict[str, str]:
    """Every subject's colour variable, the same all over the page."""
    subjects = subject_order(score.subject for score in report.scores)
    teachers = [subject for subject in subjects if subject not in (BASE, STUDENT)]
    spare = SERIES[2:]
    fixed = {BASE: "base", STUDENT: "student"}
    return fixed | {subject: spare[index % len(spare)] for index, subject in enumerate(teachers)}


def dump_yaml(data: Mapping[str, Any]) -> str:
    """A mapping as YAML, in its own order."""
    import yaml

    return str(yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True)) if data else ""


def markup(svg: str | None) -> str | None:
    """A plot of :mod:`orca_core.report.plots`, marked as safe for a template."""
    from markupsafe import Markup

    return None if svg is None else Markup(svg)


def _score_plot(table: ScoreTable, colours: Mapping[str, str]) -> str | None:
    """Dots per task and subject; None where values are no shares or a table says it all."""
    if not table.is_share or len(table.rows) < 2:
        return None
    series = [plots.Series(s, colours[s], [_dot(row.cells.get(s)) for row in table.rows]) for s in table.subjects]
    chance = [row.chance for row in table.rows]
    return markup(plots.dot_plot([row.task for row in table.rows], series, chance=chance, label=f"{table.metric}, %"))


def _dot(score: ScoreRow | None) -> plots.Dot | None:
    if score is None:
        return None
    low, high = score.ci95 or (None, None)
    return plots.Dot(score.value, low, high)


def _cards(report: Report) -> list[dict[str, Any]]:
    """The headline figures: each evaluator's macro average of the student, beside the other subjects and chance."""
    cards = []
    for table in score_tables(report):
        row = table.average or (table.rows[0] if len(table.rows) == 1 else None)
        if row is None:
            continue
        others = [(name, row.cells[name].value) for name in table.subjects if name != table.main and name in row.cells]
        others += [
            (name, row.references.get(name)) for name in table.references if text.known(row.references.get(name))
        ]
        cards.append(
            {
                "evaluator": table.evaluator,
                "metric": table.metric,
                "main": table.main,
                "score": row.cells.get(table.main, row.main),
                "is_share": table.is_share,
                "tasks": sum(not row.is_average for row in table.rows),
                "others": [*others, ("chance", row.chance)] if text.known(row.chance) else others,
            }
        )
    return cards


def _summary(report: Report) -> str:
    """One line: when, how long, what it cost."""
    fresh = [stage.seconds for stage in report.stages if not stage.cached and stage.seconds is not None]
    cached = sum(stage.cached for stage in report.stages)
    costs = [phase.cost_usd for phase in report.curriculum if phase.cost_usd is not None]
    parts = [
        text.moment(report.created),
        f"{text.seconds(sum(fresh))} of work" if fresh else "",
        f"{cached} of {len(report.stages)} stages from the store" if cached else "",
        f"{text.money(sum(costs))} for the teachers" if sum(costs) else "",
    ]
    return " \u00b7 ".join(part for part in parts if part)


def _grouped(samples: Sequence[Sample]) -> list[tuple[tuple[str, str], list[Sample]]]:
    """Samples by evaluator and subject, in the order in which these occur."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.evaluator, sample.subject), []).append(sample)
    return list(groups.items())
