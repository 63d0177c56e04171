"""The command ``orca export``: the answers of a run as training data for others, on the disk or on the Hub."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, NoReturn

from orca_core.errors import UserError, did_you_mean
from orca_core.formats import EXPORTS

USAGE: Final = """\
usage: orca export PATH --format FORMAT [--out DIR] [--phase NAME] [--push-to-hub OWNER/NAME [--private]]

  PATH                     the directory of a run, of a stage with answers in the store (select/KEY, ask/KEY), or of an
                           earlier export, which is only pushed
  --format FORMAT          openorca           id, system_prompt, question, response
                           sharegpt           conversations (axolotl, LLaMA-Factory)
                           messages           chat messages (TRL, axolotl, LLaMA-Factory, OpenAI's fine-tuning)
                           prompt-completion  chat messages in two parts (TRL, loss on the answer alone)
                           alpaca             instruction, input, output, system (LLaMA-Factory)
                           parquet            orca's own columns, all of them
  --out DIR                a new directory; otherwise NAME-FORMAT here
  --phase NAME             one phase of the run; otherwise all, a config each
  --push-to-hub OWNER/NAME upload it by `datasets`, as the user of Hugging Face's own tools
  --private                make a new data set there private

What the format has no place for is kept in details/ beside it: read back by sampler=file and teacher=replay, nothing is lost.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"orca export: {message}\n{USAGE.splitlines()[0]}")


def export(arguments: list[str]) -> None:
    """Carry out ``orca export ARGUMENTS``; what is wrong with them is a :class:`UserError`."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return
    options = _parse(arguments)
    from orca_core.export import hub, is_export

    if options.push_to_hub:
        hub.check_token()
    directory = options.path if is_export(options.path) else _export(options)
    if options.push_to_hub:
        print(f"pushed: {hub.push(directory, options.push_to_hub, private=options.private)}")
    elif directory == options.path:
        raise UserError(f"{directory}: this is an export already; --push-to-hub OWNER/NAME uploads it")


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(prog="orca export", add_help=False, allow_abbrev=False)
    parser.add_argument("path", type=Path)
    parser.add_argument("--format")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--phase")
    parser.add_argument("--push-to-hub")
    parser.add_argument("--private", action="store_true")
    options = parser.parse_args(arguments)
    if options.format is not None and options.format not in EXPORTS:
        raise UserError(f"--format {options.format}: no such format{did_you_mean(options.format, EXPORTS)}")
    if options.private and not options.push_to_hub:
        raise UserError("--private is about --push-to-hub, which is not given")
    return options


def _export(options: argparse.Namespace) -> Path:
    from orca_core.export import export as write
    from orca_core.export import find_subject

    if options.format is None:
        raise UserError(f"orca export: --format is needed: {', '.join(EXPORTS)}")
    subject = find_subject(options.path, options.phase)
    written = write(subject, EXPORTS[options.format], options.out or Path(f"{subject.name}-{options.format}"))
    print(f"{written.path}: {written.rows:,} rows")
    for config in written.configs:
        print(f"  datasets.load_dataset({str(written.path)!r}, {config!r}, split='train')")
    return written.path
