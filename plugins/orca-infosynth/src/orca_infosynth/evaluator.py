"""The evaluator ``openness``: samples a subject's answers to some questions and tells how many bits a signal adds to its opinion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from orca_core import Component, Config, Context, Evaluator, Prompt, Score, Selector, Trace, UserError, part, scoring
from orca_core.records import DEAD
from orca_core.verify import Judge
from orca_infosynth.opinions import Opinion, by_prompt, confidence, opinions, prompt_of

if TYPE_CHECKING:
    from orca_infosynth.audit import Component as Part
    from orca_infosynth.audit import Figure, Openness, Pool
    from orca_infosynth.estimators import Codes

OPEN_BITS: Final = "open_bits"
BOUNDS: Final = {OPEN_BITS: (-1.0, 1.0), "efficiency": (0.0, 1.0)}
"""Between what a figure lies; a verdict on right and wrong is one bit at most."""


class OpennessConfig(Config):
    """Bits per sample that a signal carries about what is right, beyond the model's own opinion; needs questions with targets."""

    of: Any = part("sampler", description="the sampler whose first questions are asked")
    questions: int = Field(256, ge=2, description="how many of its questions")
    samples: int = Field(8, ge=2, description="answers to each")
    temperature: float = Field(1.0, gt=0, le=2, description="at which they are drawn")
    signal: Any = part("selector", scoring=True, description="the selector whose verdicts are the signal")
    permutations: int = scoring(200, ge=20, description="of the signal within the strata of the opinion")
    alpha: float = scoring(0.01, gt=0, lt=1, description="a loop is called open below this p-value, and ...")
    min_bits: float = scoring(0.02, ge=0, description="... above so many bits per sample more than by chance")


class OpennessEvaluator:
    """One pool of all questions and samples; every figure is a score of the signal's name."""

    def __init__(self, config: OpennessConfig, context: Context) -> None:
        self.config, self.context = config, context
        self.judge = Judge(lambda name: context.make("verifier", {"name": name}))

    def prompts(self) -> Iterator[Prompt]:
        config = self.config
        drawn = self.context.make("sampler", config.of).sample()
        for prompt in islice(drawn, config.questions):
            asked = replace(prompt, decoding={**prompt.decoding, "temperature": config.temperature})
            yield from asked.samples(config.samples)

    def score(self, traces: Iterable[Trace]) -> Iterator[Score]:
        """UserError: fewer than two questions with a target were answered."""
        from orca_infosynth.audit import components, efficiency, excess_bits, openness

        judged = [self.judge(trace) for trace in traces if trace.finish_reason != DEAD]
        samples = [trace for trace in judged if trace.correct is not None]
        if len({trace.prompt.query.cluster for trace in samples}) < 2:
            raise UserError(
                "openness: fewer than two of the questions have a target, so nothing tells what is right; have evaluator.openness.of "
                "draw questions with targets"
            )
        held = [opinion for group in by_prompt(samples) for opinion in opinions(group)]
        pool = make_pool(samples, held, self.context.make("selector", self.config.signal))
        stated = sum(opinion.answer is not None for opinion in held) / len(held)
        found = openness(pool, draws=self.config.permutations, seed=self.context.seed)
        note = f"{self._verdict(found)}; p = {found.test.p:.3g}; beyond {_known(samples)}"
        yield self._score(OPEN_BITS, found.bits, stated, chance=found.test.null, note=note)
        if (eta := efficiency(pool)) is not None:
            yield self._score("efficiency", eta, stated, note="share of the signal's bits that tell answers apart")
        if (excess := excess_bits(pool)) is not None:
            yield self._score("excess_bits", excess, stated, note="log2 of the right responses to a question")
        ranked = components(pool)
        for place, one in enumerate(ranked):
            yield self._score(f"ratio_{one.name}", one.ratio, stated, chance=0.0, note=_rank(one, place, ranked))

    def _verdict(self, found: Openness) -> str:
        config, bits = self.config, found.bits
        shown = found.test.p < config.alpha and bits.value - found.test.null > config.min_bits and bits.ci95[0] > 0
        return "open" if shown else "not shown to be open"

    def _score(
        self, metric: str, figure: Figure, stated: float, *, chance: float | None = None, note: str = ""
    ) -> Score:
        low, high = BOUNDS.get(metric, (float("-inf"), float("inf")))
        ci95 = (min(figure.value, max(low, figure.ci95[0])), max(figure.value, min(high, figure.ci95[1])))
        return Score(
            task=self.config.signal["name"],
            metric=metric,
            value=figure.value,
            n=figure.n,
            ci95=ci95,
            chance=chance,
            format_ok=stated,
            note=note,
        )


def make_pool(samples: Sequence[Trace], held: Sequence[Opinion], signal: Selector) -> Pool:
    """The samples as codes. S is the reason by which the signal drops a sample, or that it is kept.

    Z is what the model's own opinion is known by: the task (it knows what it was asked), the quartile of its confidence where it
    tells, the quarter of the share of samples that agree, and whether most do. It stands for the whole state of the model, so
    that openness is *with respect to these features*.
    """
    import numpy as np

    from orca_infosynth.audit import Pool
    from orca_infosynth.estimators import codes, joint

    task = codes(trace.prompt.query.task for trace in samples)
    sure = _likelihoods(samples)
    vote = codes((opinion.bin, opinion.agrees) for opinion in held)
    features = {
        "length": _quartiles([float(len(trace.text)) for trace in samples])
        // 2,  # the longer half: finer would cost more bits
        "style": codes(trace.prompt.system for trace in samples),
        "source": codes((trace.prompt.query.collection, trace.prompt.query.task) for trace in samples),
    }
    return Pool(
        question=codes(map(prompt_of, samples)),
        cluster=codes(trace.prompt.query.cluster for trace in samples),
        response=codes(trace.text for trace in samples),
        answer=codes(opinion.answer for opinion in held),
        truth=np.array([int(bool(trace.correct)) for trace in samples]),
        signal=codes(reason for _, reason in signal.select(samples)),
        opinion=joint(task, vote, *([_quartiles(sure)] if sure else ())),
        nuisances=features,
    )


def _likelihoods(samples: Sequence[Trace]) -> list[float]:
    """The confidence of every answer; nothing where some answer does not tell."""
    found = [sure for trace in samples if (sure := confidence(trace)) is not None]
    return found if len(found) == len(samples) else []


def _quartiles(values: Sequence[float]) -> Codes:
    from orca_infosynth.estimators import quartiles

    found = quartiles(values)
    return found if len(set(values)) > 1 else found * 0


def _known(samples: Sequence[Trace]) -> str:
    return f"task, {'confidence, ' if _likelihoods(samples) else ''}vote share and majority"


def _rank(one: Part, place: int, ranked: Sequence[Part]) -> str:
    said = f"rank {place + 1} of {len(ranked)}, costs {one.cost:.2f} bits"
    above = [other.name for other in ranked[:place]]
    return f"{said}; the signal tells {', '.join(above)} more cheaply" if one.name == "correctness" and above else said


EVALUATOR: Final = Component[OpennessConfig, Evaluator]("openness", OpennessConfig, OpennessEvaluator)
