"""The sampler ``subset`` by an exact number; that it chooses uniformly and in order is in test_plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from orca_core import Prompt, Query
from orca_core.builtin import SubsetConfig, SubsetSampler
from orca_core.errors import UserError


class Numbers:
    """Draws 0 to 99, and 0 to 9 once more."""

    def sample(self) -> Iterator[Prompt]:
        return (Prompt(Query(str(number % 100), "t")) for number in range(110))

    def pools(self) -> Mapping[str, Mapping[str, int]]:
        return {"": {"pool": 100}}


def subset(**config: object) -> SubsetSampler:
    return SubsetSampler(SubsetConfig.model_validate({"of": None, **config}), Numbers, seed=0)


def test_a_subset_has_the_exact_size_that_is_asked_for_and_no_prompt_twice() -> None:
    drawn = [int(prompt.query.text) for prompt in subset(n=37).sample()]
    assert len(set(drawn)) == len(drawn) == 37
    assert drawn == sorted(drawn)
    assert drawn == [int(prompt.query.text) for prompt in subset(fraction=0.37).sample()]


def test_a_subset_larger_than_what_is_drawn_is_refused() -> None:
    assert len(list(subset(n=100).sample())) == 100
    with pytest.raises(UserError, match="subset: n=101, but only 100 prompts are drawn; lower n"):
        list(subset(n=101).sample())


def test_a_subset_tells_of_the_pools_that_it_was_drawn_from() -> None:
    sampler = subset(n=3)
    assert list(sampler.sample())
    assert sampler.pools() == {"": {"pool": 100}}


@pytest.mark.parametrize("size", [("sampler.fraction=0.5", "sampler.n=3"), ()])
def test_a_subset_is_given_one_size(project, size: tuple[str, ...]) -> None:
    toy = ("sampler=subset", "+sampler@sampler.of=sums", "teacher=adder", "student=memory", "evaluator=[all-sums]")
    result = project.orca("run", *toy, "curriculum=single", *size)
    assert result.returncode == 2, result.stderr
    assert "sampler: give either fraction or n, and set the other to null, e.g. fraction=0.2 n=null" in result.stderr
