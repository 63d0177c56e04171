"""distilabel's OpenAILLM in a pipeline of one TextGeneration step; its batch is its concurrency."""

from __future__ import annotations

from common import KEY, MODEL, Task, good, main
from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration


def ask(task: Task) -> int:
    rows = [{"system_prompt": system, "instruction": question} for system, question in task.prompts()]
    with Pipeline(name="bakery") as pipeline:
        load = LoadDataFromDicts(data=rows, batch_size=task.workers)
        answer = TextGeneration(
            llm=OpenAILLM(model=MODEL, base_url=task.url, api_key=KEY),
            input_batch_size=task.workers,
        )
        load >> answer
    answers = pipeline.run()
    return sum(good(text) for text in answers["default"]["train"]["generation"])


if __name__ == "__main__":
    main(ask)
