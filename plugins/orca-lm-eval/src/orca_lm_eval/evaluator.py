"""The evaluator ``lm-eval``: its tasks' requests as prompts, and recorded answers through its own processing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from orca_core.records import Prompt, Score, Trace
from orca_lm_eval.asking import as_chat, questions
from orca_lm_eval.config import LmEvalConfig
from orca_lm_eval.replay import Replay
from orca_lm_eval.scoring import greed_is_idle, group_scores, scores_of, target_of
from orca_lm_eval.tasks import Loaded, as_lm_eval_runs, load

BOOTSTRAP: Final = 1000
"""Draws for the standard errors that lm-eval has no formula for (its default of 100,000 takes minutes to hours)."""


class LmEvalEvaluator:
    """Implements :class:`orca_core.protocols.Evaluator`. Tasks are loaded anew each time: the same seeds, the same prompts."""

    def __init__(self, config: LmEvalConfig) -> None:
        self._config = config

    def prompts(self) -> Iterator[Prompt]:
        """Every request of every task, grouped into prompts.

        Raises:
            UserError: a task is unknown, cannot be built, lacks its data, or asks what no prompt can.
        """
        chat = self._config.chat
        with as_lm_eval_runs():
            tasks = load(self._config).tasks
            for task in tasks.values():
                task.build_all_requests(
                    limit=self._config.limit,
                    apply_chat_template=chat,
                    chat_template=as_chat if chat else None,
                    fewshot_as_multiturn=False,
                )
        requests = [request for task in tasks.values() for request in task.instances]
        for question in questions(requests, chat, lambda request: target_of(tasks[request.task_name], request.doc)):
            yield from question.prompts

    def score(self, traces: Iterable[Trace]) -> Iterator[Score]:
        """What ``lm_eval.evaluate`` makes of the answers: a score for each task or group, metric and filter.

        Raises:
            UserError: as ``prompts``; or an answer is missing, or lacks what a task needs.
        """
        recorded = {trace.prompt.id: trace for trace in traces}
        with as_lm_eval_runs():
            loaded = load(self._config)
            tasks = loaded.tasks
            replay = Replay(recorded, self._config.chat, {name for name, task in tasks.items() if greed_is_idle(task)})
            results = self._evaluate(loaded, replay)
            scores = [score for name, task in tasks.items() for score in scores_of(name, task, results, replay.first)]
            grouped = [score for group in loaded.groups.values() for score in group_scores(group, results, scores)]
        yield from scores
        yield from grouped

    def _evaluate(self, loaded: Loaded, replay: Replay) -> dict[str, Any]:
        from lm_eval.evaluator import evaluate

        results: dict[str, Any] = evaluate(
            lm=replay,
            task_dict=loaded._asdict(),
            limit=self._config.limit,
            bootstrap_iters=BOOTSTRAP,
            apply_chat_template=self._config.chat,
            fewshot_as_multiturn=False,
            confirm_run_unsafe_code=self._config.unsafe_code,
        )
        return results
