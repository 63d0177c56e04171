"""The response log: one SQLite file in WAL mode, shared by runs, sweeps and processes.

A request is recorded before it leaves and a reply is on the disk before it counts, so a killed process loses nothing that
had counted, and what it had out is known: maybe billed, at its worst cost. Budgets are kept in the same transactions, so they
hold over processes and restarts. The file is readable by its owner alone: it holds prompts and answers. Not for network file
systems, where neither SQLite's locks nor ours can be trusted; shards keep logs of their own and are merged.
"""

from orca_core.responses.keys import canonical_json, make_request, request_key
from orca_core.responses.log import ResponseLog
from orca_core.responses.reader import Reader
from orca_core.responses.schema import FILE, FORMAT
from orca_core.responses.terms import Begun, Cap, DeadLetter, Maybe, Spent, Total, Worst

__all__ = [
    "FILE",
    "FORMAT",
    "Begun",
    "Cap",
    "DeadLetter",
    "Maybe",
    "Reader",
    "ResponseLog",
    "Spent",
    "Total",
    "Worst",
    "canonical_json",
    "make_request",
    "request_key",
]
