"""The screen ``overlap``: how many drawn prompts it looks through, and what of the planted overlaps it finds.

::

    python benchmarks/overlap.py --n 100000

Prompts of 100 random words are held against ``--questions`` questions of some 75 words (AGIEval's and BIG-Bench Hard's are 9,057 of
115), by tasks of 250 with instructions of their own. Planted among them are 500 questions as they are, 500 inside a longer prompt,
and 500 with two to four words replaced; the others are unrelated, and any flag of theirs is false. Seconds are CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dedup import Writer
from orca_curation import OVERLAP

from orca_core import Prompt, Query
from orca_core.testing import build, make_context

PLANTED: Final = 500
PER_TASK: Final = 250


def exam(writer: Writer, rng: random.Random, n: int) -> list[Query]:
    heads = [" ".join(writer.words(20)) for _ in range(n // PER_TASK + 1)]
    bodies = (" ".join(writer.words(rng.randint(30, 80))) for _ in range(n))
    return [
        Query(f"{heads[index // PER_TASK]}: {body}?", f"task{index // PER_TASK}") for index, body in enumerate(bodies)
    ]


def planted(writer: Writer, rng: random.Random, kind: str, question: str) -> str:
    if kind == "embedded":
        return f"{' '.join(writer.words(30))}. {question} {' '.join(writer.words(20))}"
    words = question.split(" ")
    for place in rng.sample(range(len(words)), rng.randint(2, 4)) if kind == "near" else ():
        words[place] = writer.words(1)[0]
    return " ".join(words)


def drawn(writer: Writer, rng: random.Random, questions: list[Query], n: int) -> Iterator[Prompt]:
    """Prompts whose task says what they are."""
    kinds = ["copied", "embedded", "near"] * PLANTED
    kinds += ["unrelated"] * max(n - len(kinds), 0)
    rng.shuffle(kinds)
    for kind in kinds:
        text = " ".join(writer.words(100))
        yield Prompt(
            Query(planted(writer, rng, kind, rng.choice(questions).text) if kind != "unrelated" else text, kind)
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000, help="prompts")
    parser.add_argument("--questions", type=int, default=9_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    writer, rng = Writer(options.seed), random.Random(options.seed)
    questions = exam(writer, rng, options.questions)
    prompts = list(drawn(writer, rng, questions, options.n))
    screened = build(OVERLAP, make_context(Path())).screen(prompts, {"exam": [Prompt(query) for query in questions]})
    start = time.process_time()
    pairs = [next(screened)]  # the first block, too, which is small beside the index
    indexed = time.process_time()
    pairs += screened
    seconds = time.process_time() - indexed
    totals = Counter(prompt.query.task for prompt, _ in pairs)
    found = Counter(prompt.query.task for prompt, flag in pairs if flag)
    figures = {
        "index_s": round(indexed - start, 2),
        "prompts_per_s": round(len(pairs) / seconds),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "found": {kind: found[kind] / totals[kind] for kind in sorted(totals)},
    }
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
