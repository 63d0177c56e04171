"""The ``orca`` command. Imports nothing heavy before it knows what is asked for."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path
from typing import Final

HELP: Final = """\
orca: teach a small language model to reason from the explanations of a stronger one

usage: orca COMMAND [ARGUMENT ...]

  run [OVERRIDE ...]       carry out a run; with no override, a whole real one, offline, on this machine
  run -m [OVERRIDE ...]    sweep over comma-separated values: orca run -m student.learning_rate=1e-3,2e-3
  run --help               every option of every installed component
  draw [OVERRIDE ...]      draw a run's prompts and look at them; asks nobody
  plan [OVERRIDE ...]      what a run would do, what is done already, and what the rest will take
  plugins                  what is installed and what it offers
  report PATH              the tables and the HTML page of a finished run, draw or sweep, or of a stage in the store
  export PATH --format F   a run's answers as training data: OpenOrca, ShareGPT, chat messages, ...; orca export --help
  responses                what was asked of paid teachers so far, and what it cost
  responses show ID        one request with its answer
  responses export PATH    all of them as a Parquet file
  completion SHELL         a completion script: eval "$(orca completion bash)"

examples:
  orca run curriculum=single teacher=solver sampler.n=500
  orca run curriculum=single teacher=gpt-4 teacher.workers=16
  orca run -m +experiment=why-explanations
"""
DONE, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit code says how it ended (0 done, 2 the user's mistake, 130 interrupted, 1 anything else)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    from orca_core.errors import UserError

    try:
        return _dispatch(arguments)
    except UserError as error:
        return _mistake(str(error))
    except KeyboardInterrupt:
        print("\norca: interrupted; what is finished is kept, the same command carries on from there", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = f" ({error.filename})" if error.filename else ""
            return _mistake(
                f"the disk is full{where}: free some space and give the same command again; what is finished is kept"
            )
        traceback.print_exc()
        return FAILED
    except Exception as error:
        return _unexpected(error)


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return DONE
    command, rest = arguments[0], arguments[1:]
    if command == "--version":
        from orca_core import __version__

        print(f"orca {__version__}")
    elif command == "run":
        _run(rest)
    elif command == "draw":
        from orca_core import app_draw

        app_draw.draw(rest)
    elif command == "plan":
        from orca_core import app

        app.plan(rest)
    elif command == "plugins":
        from orca_core import app

        app.plugins()
    elif command == "report":
        if len(rest) != 1:
            return _mistake("usage: orca report PATH, the directory of a run, draw, sweep or stage")
        from orca_core import app

        app.report(Path(rest[0]))
    elif command == "export":
        from orca_core import app_export

        app_export.export(rest)
    elif command == "responses":
        from orca_core import app_responses

        app_responses.responses(rest)
    elif command in ("completion", "_complete"):
        from orca_core import completion

        print(completion.script(rest) if command == "completion" else completion.suggest(rest))
    else:
        from orca_core.completion import COMMANDS
        from orca_core.errors import did_you_mean

        return _mistake(f"no command is called '{command}'{did_you_mean(command, COMMANDS)}")
    return DONE


def _run(arguments: list[str]) -> None:
    # Hydra then raises what happened instead of printing it and leaving with exit code 1
    os.environ["HYDRA_FULL_ERROR"] = "1"
    from orca_core import app

    app.run(arguments)


def _unexpected(error: Exception) -> int:
    """Hydra wraps what a job raises, and has its own errors for wrong overrides; anything else is a defect: show it whole."""
    hydra_errors = sys.modules.get("hydra.errors")
    if hydra_errors is not None and isinstance(error, hydra_errors.HydraException):
        return _mistake(" ".join(str(error).split()))
    traceback.print_exc()
    return FAILED


def _mistake(message: str) -> int:
    for line in message.splitlines():
        print(f"orca: {line}", file=sys.stderr)
    return MISTAKE


if __name__ == "__main__":
    sys.exit(main())
