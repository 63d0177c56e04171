"""ScaleLogic's instances: is exactly one candidate entailed in each, can the teacher prove it, and do shortcuts tell it?

::

    python benchmarks/scalelogic.py --n 500

Of each depth of each tier ``--n`` instances are constructed and, before the generator's own check could discard any, read back from
their text and given to the SAT solver. The proof's depth is that of the teacher's, which reads the text, too. Shares have 95 % Wilson
intervals; z is the distance of a shortcut's accuracy from chance in standard errors under chance, and |z| < 3.3 is what 55
comparisons leave to luck (5 %, Bonferroni). The last two rows are no shortcuts but parts of the work, for comparison.
Seconds are CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from random import Random
from typing import Any, Final

from orca_scalelogic.entailment import entailed
from orca_scalelogic.instances import Shape, build
from orca_scalelogic.logic import TIERS, Literal, Problem, Tier
from orca_scalelogic.proofs import depth_of, prove
from orca_scalelogic.sentences import Sentences
from orca_scalelogic.shortcuts import COMPARED, SHORTCUTS

from orca_core.stats import wilson

LUCK: Final = 3.3
SENTENCES: Final = Sentences()
PICKERS: Final = {**SHORTCUTS, **COMPARED}
Drawn = list[tuple[Problem, Literal]]


def share(hits: int, n: int) -> dict[str, Any]:
    return {"share": hits / n, "n": n, "ci95": wilson(hits, n)}


def said(figure: dict[str, Any]) -> str:
    low, high = figure["ci95"]
    return f"{100 * figure['share']:6.1f} [{100 * low:5.1f}, {100 * high:5.1f}]"


def cell(tier: Tier, depth: int, drawn: Drawn, make_s: float) -> dict[str, Any]:
    """What holds for the instances of a depth of a tier."""
    texts = [SENTENCES.problem(problem) for problem, _ in drawn]
    start = time.process_time()
    read = [problem for text in texts if (problem := SENTENCES.read(text))]
    sound = [entailed(problem) == (gold,) for problem, (_, gold) in zip(read, drawn, strict=True)]
    check_s = time.process_time() - start
    proofs = [(prove(problem), gold) for problem, (_, gold) in zip(read, drawn, strict=True)]
    proved = [proof for proof, gold in proofs if proof and proof[0] == gold]
    n = len(drawn)
    return {
        "tier": tier,
        "depth": depth,
        "one_entailed": share(sum(sound), n),
        "proved": share(len(proved), n),
        "depth_exact": share(sum(depth_of(steps) == depth for _, steps in proved), n),
        "make_ms": 1000 * make_s / n,
        "check_ms": 1000 * check_s / n,
        "words": sum(len(text.split()) for text in texts) / n,
    }


def picks(tier: Tier, drawn: Drawn, candidates: int) -> list[dict[str, Any]]:
    """How often each shortcut picks the gold statement of a tier's instances."""
    n, chance, rows = len(drawn), 1 / candidates, []
    for name, picker in PICKERS.items():
        figure = share(sum(picker(problem) == gold for problem, gold in drawn), n)
        z = (figure["share"] - chance) / sqrt(chance * (1 - chance) / n)
        rows.append({"tier": tier, "shortcut": name, "chance": chance, "z": z, **figure})
    return rows


def measure(options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    cells, rows = [], []
    for tier in options.tiers:
        shape = Shape(tier, options.candidates, max(options.depths), "letters")
        of_tier: Drawn = []
        for depth in options.depths:
            rng, start = Random(f"{options.seed}/{tier}/{depth}"), time.process_time()
            drawn = [build(rng, shape, depth) for _ in range(options.n)]
            cells.append(cell(tier, depth, drawn, time.process_time() - start))
            of_tier += drawn
        rows += picks(tier, of_tier, options.candidates)
    return {"cells": cells, "shortcuts": rows}


def show(cells: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> None:
    print(f"n = {cells[0]['one_entailed']['n']} a row; shares in %, with 95 % intervals")
    print(f"{'tier':15}depth  {'one entailed':24}{'proved':24}{'depth exact':24} make ms  check ms  words")
    for row in cells:
        shares = "".join(f"{said(row[key]):24}" for key in ("one_entailed", "proved", "depth_exact"))
        print(
            f"{row['tier']:15}{row['depth']:5}  {shares}{row['make_ms']:8.1f}{row['check_ms']:10.1f}{row['words']:7.0f}"
        )
    print(f"\npicked right, of {rows[0]['n']} a tier; chance {100 * rows[0]['chance']:.1f} %")
    for name in PICKERS:
        own = [row for row in rows if row["shortcut"] == name]
        print(f"{name:27}" + "".join(f"{said(row)} z {row['z']:+5.1f}   " for row in own))
    tried = [row for row in rows if row["shortcut"] in SHORTCUTS]
    apart = [row for row in tried if abs(row["z"]) >= LUCK]
    print(f"\nshortcuts apart from chance by more than luck (|z| >= {LUCK}): {len(apart)} of {len(tried)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=500, help="instances of each depth of each tier")
    parser.add_argument("--depths", type=int, nargs="+", default=[1, 2, 4, 6])
    parser.add_argument("--tiers", nargs="+", choices=TIERS, default=TIERS)
    parser.add_argument("--candidates", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    figures = measure(options)
    show(figures["cells"], figures["shortcuts"])
    if options.json:
        options.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
