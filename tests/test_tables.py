"""Prompts and traces survive Parquet; other people's tools can open it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orca_core.errors import DataError
from orca_core.records import Prompt, Query, Trace, Turn
from orca_core.tables import read_prompts, read_traces, row_trace, trace_row, write_prompts, write_traces

texts = st.text(st.characters(codec="utf-8"), max_size=30)
metas = st.dictionaries(texts, st.integers() | texts | st.booleans(), max_size=3)
queries = st.builds(
    Query,
    text=texts,
    task=texts,
    collection=texts,
    target=st.none() | texts,
    choices=st.lists(texts, max_size=3).map(tuple),
    meta=metas,
    history=st.lists(st.builds(Turn, texts, texts, st.booleans()), max_size=2).map(tuple),
)
demands = st.fixed_dictionaries(
    {},
    optional={
        "raw": st.booleans(),
        "temperature": st.floats(0, 2),
        "max_tokens": st.integers(1, 9),
        "stop": st.lists(texts, max_size=2),
    },
)
prompts = st.builds(
    Prompt, query=queries, system=texts, choices=st.lists(texts, max_size=3).map(tuple), decoding=demands
)
# no subnormals: a student that another test ran in this process has told the CPU to flush them
numbers = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
traces = st.builds(
    Trace,
    prompt=prompts,
    text=texts,
    model=texts,
    finish_reason=st.sampled_from(["stop", "length"]),
    prompt_tokens=st.none() | st.integers(0, 10**9),
    latency_s=st.none() | numbers,
    cost_usd=st.none() | numbers,
    decoding=metas,
    choice_logprobs=st.none() | st.lists(numbers, max_size=3).map(tuple),
    logprob=st.none() | st.floats(max_value=0, allow_nan=False, allow_infinity=False),
    choice_greedy=st.none() | st.lists(st.booleans(), max_size=3).map(tuple),
)


@given(traces)
def test_a_trace_survives_its_row(trace):
    assert row_trace(trace_row(trace)) == trace


def test_files_round_trip_and_datasets_opens_them(tmp_path):
    import datasets

    sample = [Prompt(Query(f"q{i}", "t", target="1", choices=("a", "b"), meta={"i": i}), system="s") for i in range(3)]
    write_prompts(tmp_path / "prompts-00000.parquet", sample)
    assert list(read_prompts([tmp_path / "prompts-00000.parquet"])) == sample
    answered = [Trace(prompt, "why: 1", "m", cost_usd=0.5) for prompt in sample]
    write_traces(tmp_path / "traces-00000.parquet", answered)
    assert list(read_traces([tmp_path / "traces-00000.parquet"])) == answered
    opened = datasets.Dataset.from_parquet(str(tmp_path / "traces-00000.parquet"), cache_dir=str(tmp_path / "hf"))
    assert opened["response"] == ["why: 1"] * 3


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    (tmp_path / "x.parquet").write_text("x")
    with pytest.raises(DataError, match=r"x\.parquet: not a readable Parquet file"):
        list(read_prompts([tmp_path / "x.parquet"]))


@given(queries)
def test_an_id_depends_on_task_text_and_what_was_said_before_alone(query):
    assert Query(query.text, query.task, history=query.history).id == query.id
    assert Prompt(query, "a").id != Prompt(query, "b").id


@given(queries, demands)
def test_what_a_prompt_demands_of_the_answer_is_part_of_its_id(query, demand):
    assert (Prompt(query, decoding=demand).id == Prompt(query).id) is (demand == {})
