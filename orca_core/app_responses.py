"""The command ``orca responses``: what was asked of paid teachers, what it cost, what came of it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orca_core.errors import UserError, did_you_mean
from orca_core.report import text
from orca_core.report.tables import new_table
from orca_core.responses import FILE, Reader, ResponseLog
from orca_core.store import Store

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from orca_core.responses.lookup import Entry

USAGE: Final = """\
usage: orca responses [show ID | export PATH.parquet] [--store PATH]

  (nothing)            replies, tokens and money by model and day; accounts; what failed
  show ID              one request with its answer; the first digits of its id will do
  export PATH.parquet  all replies, for datasets, polars or DuckDB
  --store PATH         another store than $ORCA_STORE or ./store
"""
LATEST: Final = 5
SHORT: Final = 12
"""Digits of an id in a table."""


def responses(arguments: list[str]) -> None:
    """Carry out ``orca responses ARGUMENTS``; what is wrong with them is a :class:`UserError`."""
    from rich.console import Console

    if arguments[:1] in (["-h"], ["--help"]):
        print(USAGE, end="")
        return
    store, words = _parse(arguments)
    action, value = (*words, "", "")[:2]
    with ResponseLog(_existing(Store(store).cache / FILE)) as log:
        log.recover()
        if action == "show":
            _show(log, value, Console())
        elif action == "export":
            _export(log, Path(value))
        else:
            _overview(log, Console())


def _parse(arguments: list[str]) -> tuple[Path, list[str]]:
    """The store, and the words of what is wanted."""
    store, words, rest = os.environ.get("ORCA_STORE") or "store", [], list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name == "--store":
            store = value if equals else "".join(rest[:1])
            rest = rest if equals else rest[1:]
        elif word.startswith("-"):
            raise UserError(f"no option is called '{name}'{did_you_mean(name, ['--store', '--help'])}")
        else:
            words.append(word)
    if not store:
        raise UserError("--store needs a path, e.g. --store work/store")
    if words and words[0] not in ("show", "export"):
        raise UserError(f"orca responses {words[0]}: no such action{did_you_mean(words[0], ['show', 'export'])}")
    if len(words) not in (0, 2):
        wanted = "ID, the id of a response" if words[0] == "show" else "PATH.parquet, the file to be written"
        raise UserError(f"usage: orca responses {words[0]} {wanted}")
    return Path(store), words


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UserError(
            f"{path}: no response log is there; the first run with a paid teacher makes one (orca run teacher=gpt-4); "
            "for another store: --store PATH or ORCA_STORE"
        )
    return path


def _export(log: ResponseLog, path: Path) -> None:
    if path.suffix != ".parquet":
        raise UserError(f"{path}: the export is a Parquet file; give it a name that ends in .parquet")
    count = log.export(path)
    print(f"{path}: {count:,} replies; datasets.load_dataset('parquet', data_files='{path}') reads it")


def _overview(log: Reader, console: Console) -> None:
    console.print(f"[bold]{log.path}[/]", highlight=False)
    for part in (_totals(log), _accounts(log), _dead(log), _latest(log)):
        if part is not None:
            console.print()
            console.print(part)
    maybe, ((out,),) = log.maybe_billed(), log.query("SELECT count(*) FROM claim WHERE out")
    if maybe.count:
        why = "left without a reply of its own, as when a process is killed or a connection breaks"
        worst = f"at worst {text.money(maybe.usd)}"
        console.print(f"\nmaybe billed: {maybe.count:,}, {worst}. Each {why}.", highlight=False)
    if out:
        console.print(f"\nout now: {out:,}, by a running process or in a provider's batch.", highlight=False)


def _totals(log: Reader) -> RenderableType:
    rows = log.totals()
    if not rows:
        return "no replies yet"
    table = _table("replies", ("model", "day (UTC)"), ("replies", "tokens in", "tokens out", "cost", "maybe billed"))
    numbers = [
        (row.replies, row.prompt_tokens, row.completion_tokens, row.cost_usd, row.maybe_count, row.maybe_usd)
        for row in rows
    ]
    before = ""
    for row, figures in zip(rows, numbers, strict=True):
        table.add_row(text.clean(row.model) if row.model != before else "", row.day, *_figures(*figures))
        before = row.model
    if len(rows) > 1:
        table.add_section()
        table.add_row("all", "", *_figures(*(sum(column) for column in zip(*numbers, strict=True))))
    return table


def _figures(
    replies: float, tokens_in: float, tokens_out: float, usd: float, count: float, worst: float
) -> tuple[str, ...]:
    return (text.count(replies), text.count(tokens_in), text.count(tokens_out), text.money(usd), _maybe(count, worst))


def _maybe(count: float, worst: float) -> str:
    return f"{text.count(count)}, {text.money(worst)}" if count else ""


def _accounts(log: Reader) -> Table | None:
    accounts = log.accounts()
    if not accounts:
        return None
    table = _table("accounts", ("account",), ("requests", "tokens", "spent", "of it maybe billed"))
    for name, spent in accounts.items():
        maybe = _maybe(spent.maybe_requests, spent.maybe_usd)
        table.add_row(
            text.clean(name), text.count(spent.requests), text.count(spent.tokens), text.money(spent.usd), maybe
        )
    return table


def _dead(log: Reader) -> Table | None:
    rows = log.query("SELECT model, kind, count(*), hex(min(key)) FROM dead GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2")
    if not rows:
        return None
    table = _table("given up; the next run asks them again", ("model", "reason"), ("requests",), ("for instance",))
    for model, kind, count, key in rows:
        table.add_row(text.clean(model), text.clean(kind), text.count(count), key.lower()[:SHORT])
    return table


def _latest(log: Reader) -> Table | None:
    columns = "hex(key), model, at, prompt_tokens, completion_tokens, usd / 1e12"
    rows = log.query(f"SELECT {columns} FROM reply ORDER BY id DESC LIMIT ?", LATEST)
    if not rows:
        return None
    table = _table("latest; orca responses show ID", ("id", "model", "time"), ("tokens in", "tokens out", "cost"))
    for key, model, at, tokens_in, tokens_out, usd in rows:
        figures = (text.count(tokens_in), text.count(tokens_out), text.money(usd))
        table.add_row(key.lower()[:SHORT], text.clean(model), _time(at), *figures)
    return table


def _show(log: Reader, digits: str, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    from orca_core.responses.lookup import find

    entry = find(log, digits)
    table = Table.grid(padding=(0, 2))
    for name, value in _facts(entry):
        table.add_row(Text(name, style="dim"), Text(value))
    console.print(table)
    for title, content in _texts(entry):
        console.print(Text(f"\n{title}", style="bold"))
        console.print(Text(_printable(content)))


def _facts(entry: Entry) -> list[tuple[str, str]]:
    reply, request = entry.reply or {}, entry.request or {}
    decoding = request.get("decoding") or {}
    facts = {
        "id": entry.key.hex(),
        "model": entry.model,
        "served by": ", ".join(str(reply[name]) for name in ("model", "endpoint") if reply.get(name)),
        "settings": ", ".join(f"{name}={value}" for name, value in decoding.items()),
        "sample": str(request.get("sample") or ""),
        "account": entry.account,
        "time": _time(entry.at),
        "attempts": str(entry.attempts)
        + (f", {entry.maybe} of them maybe billed beside the reply" if entry.maybe else ""),
        "state": _state(entry),
    }
    if entry.reply is not None:
        facts |= {
            "tokens": f"{text.count(reply.get('prompt_tokens'))} in, {text.count(reply.get('completion_tokens'))} out",
            "cost": text.money(entry.cost_usd),
            "latency": text.seconds(reply.get("latency_s")),
            "request id": str(reply.get("id") or ""),
        }
    return [(name, text.clean(value)) for name, value in facts.items() if value]


def _state(entry: Entry) -> str:
    if entry.reply is not None:
        return f"answered, finish reason {entry.reply.get('finish_reason')}"
    return f"given up: {entry.dead.kind}" if entry.dead is not None else "out: no reply yet"


def _texts(entry: Entry) -> list[tuple[str, str]]:
    messages = (entry.request or {}).get("messages", [])
    texts = [(str(message.get("role")), str(message.get("content"))) for message in messages]
    if entry.reply is not None:
        texts.append(("answer", str(entry.reply.get("text"))))
    if entry.dead is not None:
        texts.append(("reason", entry.dead.text))
    return texts


def _table(title: str, left: tuple[str, ...], right: tuple[str, ...], last: tuple[str, ...] = ()) -> Table:
    table = new_table(title)
    for name in left:
        table.add_column(name, overflow="fold", no_wrap=name in ("day (UTC)", "id", "time"))
    for name in right:
        table.add_column(name, justify="right")
    for name in last:
        table.add_column(name, no_wrap=True)
    return table


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def _printable(content: str) -> str:
    # without control characters, which a terminal would obey; lines stay lines
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in content)
