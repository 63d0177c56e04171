"""Published data sets are read as they are: what their columns mean, which format they are in, and what is wrong with a row."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from orca_core import Context, DataError, Prompt, Query, Trace, Turn, UserError
from orca_core.builtin import FILE, REPLAY
from orca_core.formats import read_prompts, read_traces
from orca_core.tables import write_rows, write_traces

CHAT = [("system", "Explain."), ("user", "Why?"), ("assistant", "Because.")]
OPENORCA = {"id": "flan.1", "system_prompt": "Explain.", "question": "Why?", "response": "Because."}
SLIMORCA = {
    "conversations": [
        {"from": "system", "value": "Explain.", "weight": None},
        {"from": "human", "value": "Why?", "weight": 0.0},
        {"from": "gpt", "value": "Because.", "weight": 1.0},
    ]
}
MESSAGES = {"messages": [{"role": role, "content": text} for role, text in CHAT]}
ALPACA = {"instruction": "Why?", "input": "", "output": "Because."}
DOLPHIN = {"instruction": "", "input": "Why?", "output": "Because."}
COMPLETION = {"prompt": MESSAGES["messages"][:2], "completion": MESSAGES["messages"][2:]}


def jsonl(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def one(path: Path, format: str = "auto") -> Trace:
    (trace,) = read_traces(path, format)
    return trace


@pytest.mark.parametrize(
    "row", [OPENORCA, SLIMORCA, MESSAGES, COMPLETION, ALPACA | {"system": "Explain."}], ids=lambda row: ",".join(row)
)
def test_every_format_tells_system_message_question_and_answer(tmp_path, row):
    trace = one(jsonl(tmp_path / "d.jsonl", row))
    assert (trace.prompt.system, trace.prompt.query.text, trace.text) == ("Explain.", "Why?", "Because.")


def test_the_same_question_has_the_same_id_in_every_format(tmp_path):
    rows = [OPENORCA, SLIMORCA, MESSAGES, COMPLETION, ALPACA | {"system": "Explain."}]
    paths = [jsonl(tmp_path / f"{index}.jsonl", row) for index, row in enumerate(rows)]
    paths.append(jsonl(tmp_path / "d.jsonl", DOLPHIN | {"instruction": "Explain."}))
    ids = {one(path, "dolphin" if path.stem == "d" else "auto").prompt.id for path in paths}
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("number", "collection"),
    [("niv.242684", "niv2"), ("t0.1", "t0"), ("cot.64099", "cot"), ("flan.2020750", "flan2021"), ("other.1", "")],
)
def test_the_id_of_an_openorca_row_tells_its_collection(tmp_path, number, collection):
    query = one(jsonl(tmp_path / "d.jsonl", OPENORCA | {"id": number})).prompt.query
    assert (query.collection, query.meta) == (collection, {"id": number})


def test_dolphins_instruction_is_the_system_message_and_alpacas_the_question(tmp_path):
    row = {"instruction": "Be brief.", "input": "Why?", "output": "Because."}
    path = jsonl(tmp_path / "d.jsonl", row)
    assert one(path, "dolphin").prompt == Prompt(Query("Why?", "imported"), "Be brief.")
    assert one(path, "alpaca").prompt == Prompt(Query("Be brief.\nWhy?", "imported"))


def test_dolphin_and_alpaca_are_told_apart_by_rows_that_only_one_can_have(tmp_path):
    either = {"instruction": "Be brief.", "input": "Why?", "output": "Because."}
    assert [t.prompt.system for t in read_traces(jsonl(tmp_path / "d.jsonl", either, DOLPHIN))] == ["Be brief.", ""]
    alpaca = [t.prompt.query.text for t in read_traces(jsonl(tmp_path / "a.jsonl", either, ALPACA))]
    assert alpaca == ["Be brief.\nWhy?", "Why?"]
    for rows in ([either], [either, ALPACA, DOLPHIN]):
        with pytest.raises(DataError, match=r"cannot be told for certain; say format=alpaca .* or format=dolphin"):
            list(read_traces(jsonl(tmp_path / "e.jsonl", *rows)))


def test_a_file_of_two_formats_is_not_guessed(tmp_path):
    with pytest.raises(DataError, match=r"say format=messages .* or format=sharegpt"):
        list(read_traces(jsonl(tmp_path / "d.jsonl", SLIMORCA | MESSAGES)))
    assert one(tmp_path / "d.jsonl", "messages").text == one(tmp_path / "d.jsonl", "slimorca").text


def test_unknown_columns_list_the_formats_with_theirs(tmp_path):
    with pytest.raises(DataError, match=r"its columns \(text\) are those of no known format") as error:
        list(read_traces(jsonl(tmp_path / "d.jsonl", {"text": "x"})))
    for known in ("openorca: id, system_prompt, question, response", "slimorca: conversations", "orca: query, task"):
        assert known in str(error.value)


def test_every_kind_of_file_holds_every_format(tmp_path):
    (tmp_path / "d.json").write_text(json.dumps([SLIMORCA, SLIMORCA], indent=1))
    assert [trace.text for trace in read_traces(tmp_path / "d.json")] == ["Because."] * 2
    with (tmp_path / "d.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["messages", "target"])
        writer.writeheader()
        writer.writerow({"messages": json.dumps(MESSAGES["messages"]), "target": "yes"})
    assert (one(tmp_path / "d.csv").text, one(tmp_path / "d.csv").prompt.query.target) == ("Because.", "yes")
    write_rows(tmp_path / "d.parquet", [OPENORCA | {"system_prompt": None}], dict.fromkeys(OPENORCA, "string"))
    assert (one(tmp_path / "d.parquet").prompt.system, one(tmp_path / "d.parquet").text) == ("", "Because.")


def test_the_shards_of_a_folder_are_read_in_order(tmp_path):
    for index in (2, 0, 1):
        jsonl(tmp_path / f"train-{index}.jsonl", OPENORCA | {"question": str(index)})
    (tmp_path / "README.md").write_text("no data")
    (tmp_path / "dataset_info.json").write_text("{}")
    assert [prompt.query.text for prompt in read_prompts(tmp_path)] == ["0", "1", "2"]
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"no data files in this folder; known: \.jsonl"):
        list(read_prompts(tmp_path / "none"))


def test_our_own_rows_have_their_types_in_a_table_of_text(tmp_path):
    with (tmp_path / "d.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["query", "task", "query_choices", "target", "sample", "meta", "response", "correct", "cost_usd"]
        )
        writer.writerow(["Why?", "t", '["a", "b"]', "", "2", '{"k": 1}', "A.", "True", ""])
    trace = one(tmp_path / "d.csv")
    assert (trace.prompt.query.choices, trace.prompt.sample, trace.prompt.query.meta) == (("a", "b"), 2, {"k": 1})
    assert (trace.correct, trace.cost_usd) == (True, None)


TURNS = {"conversations": [{"from": who, "value": "x"} for who in ("human", "gpt", "gpt", "human")]}


@pytest.mark.parametrize(
    ("row", "format", "message"),
    [
        (OPENORCA | {"question": 3}, "auto", "column 'question' must be text, not a number"),
        (OPENORCA | {"question": " \n"}, "auto", "the question is empty"),
        (OPENORCA | {"response": None}, "auto", "this row has no answer"),
        (OPENORCA | {"system_prompt": ["x"]}, "auto", "column 'system_prompt' must be text, not a list"),
        (OPENORCA | {"response": "\ud83d"}, "auto", "column 'response' holds half of a surrogate pair"),
        ({"system_prompt": ""}, "openorca", "column 'question' is missing"),
        (TURNS, "auto", r"has 4 turns \(user, assistant, assistant, user\); wanted are questions \(user\) and answers"),
        ({"conversations": []}, "auto", "has 0 turns"),
        ({"conversations": {}}, "auto", "column 'conversations' must be a list of turns, not an object"),
        ({"conversations": "Why?"}, "auto", "is no list of turns: Expecting value"),
        ({"conversations": ["Why?"]}, "auto", "each turn must be an object, not text"),
        ({"conversations": [{"from": "humam", "value": "x"}]}, "auto", "no role is called 'humam'; did you mean 'human'"),
        ({"conversations": [{"value": "x"}]}, "auto", "a turn has no 'from', only value"),
        ({"messages": [{"role": "user", "content": None}]}, "auto", "key 'content' must be text, not null"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "auto", "no role is called 'tool'; known: assistant"),
        (ALPACA | {"history": [["a"]]}, "alpaca", r"column 'history' must be a list of \[question, answer\]"),
        ({"query": "x", "task": "t", "history": [["a", 1]]}, "auto", "column 'history' must be a list of"),
        ({"query": "x", "task": "t", "history": [["a", "\ud83d"]], "response": "y"}, "auto", "column 'history' holds half of"),
        ({"query": "x", "task": "t", "target": 3}, "auto", "column 'target' must be text, not a number"),
        ({"query": "x", "task": "t", "query_choices": "ab"}, "auto", "column 'query_choices' must be JSON"),
        ({"query": "x", "task": "t", "query_choices": ["a", 1]}, "auto", "must be a list of text"),
        ({"query": "x", "task": "t", "sample": True}, "auto", "'sample' must be a whole number, not true or false"),
        ({"query": "x", "task": "t", "meta": "x"}, "auto", "column 'meta' must be a JSON object"),
        ({"query": "x", "task": "t", "meta": [1]}, "auto", "column 'meta' must be a JSON object, not a list"),
    ],
)  # fmt: skip
def test_a_malformed_row_is_told_with_file_line_and_column(tmp_path, row, format, message):
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=rf"d\.jsonl:1: .*{message}"):
        list(read_traces(path, format))


def test_an_answer_that_is_not_to_be_trained_on_is_only_asked(tmp_path):
    weights = {"messages": [*MESSAGES["messages"][:2], MESSAGES["messages"][2] | {"weight": 0}]}
    path = jsonl(tmp_path / "d.jsonl", weights)
    assert [prompt.query.text for prompt in read_prompts(path)] == ["Why?"]
    with pytest.raises(DataError, match="this row has no answer"):
        list(read_traces(path))


HISTORY = (Turn("Who?", "Me."), Turn("When?", "Now.", learnt=False))
SEVERAL = [*(("user", "Who?"), ("assistant", "Me."), ("user", "When?"), ("assistant", "Now.")), *CHAT[1:]]


@pytest.mark.parametrize("names", [("messages", "role", "content"), ("conversations", "from", "value")])
def test_a_conversation_is_its_last_question_with_what_was_said_before(tmp_path, names):
    column, role, content = names
    turns: list[dict[str, Any]] = [{role: who, content: text} for who, text in [CHAT[0], *SEVERAL]]
    turns[4]["weight"] = 0
    trace = one(jsonl(tmp_path / "d.jsonl", {column: turns}))
    assert trace.prompt == Prompt(Query("Why?", "imported", history=HISTORY), "Explain.")
    assert trace.text == "Because."
    said = [message["content"] for message in trace.prompt.messages]
    assert said == ["Explain.", *(text for _, text in SEVERAL[:-1])]
    assert trace.prompt.query.id != Query("Why?", "imported").id


def test_of_a_prompt_and_completion_the_completion_alone_is_learnt(tmp_path):
    said = [{"role": who, "content": text} for who, text in SEVERAL]
    (trace,) = read_traces(jsonl(tmp_path / "d.jsonl", {"prompt": said[:-1], "completion": said[-1:]}))
    assert trace.prompt.query.history == (Turn("Who?", "Me.", False), Turn("When?", "Now.", False))


def test_alpacas_history_is_learnt_too(tmp_path):
    trace = one(jsonl(tmp_path / "d.jsonl", ALPACA | {"history": [["Who?", "Me."]]}), "alpaca")
    assert trace.prompt.query.history == (Turn("Who?", "Me."),)


def test_malformed_conversations_are_skipped_and_counted_where_wanted(tmp_path, caplog):
    path = jsonl(tmp_path / "d.jsonl", TURNS, SLIMORCA, *[TURNS] * 9)
    sampler = FILE.build(FILE.config(path=path, bad_rows="skip"), context(tmp_path))
    with caplog.at_level(logging.WARNING, "orca"):
        assert [prompt.query.text for prompt in sampler.sample()] == ["Why?"]
    assert sampler.pools() == {"d.jsonl": {"taken": 1, "skipped": 10}}
    assert [record.getMessage()[:9] for record in caplog.records] == ["skipped: "] * 3
    with pytest.raises(DataError, match=r"d\.jsonl:1: .*4 turns"):
        list(FILE.build(FILE.config(path=path), context(tmp_path)).sample())


def context(directory: Path) -> Context:
    return Context(seed=0, cache=directory, make=lambda kind, node: None)


def traces(n: int) -> list[Trace]:
    return [Trace(Prompt(Query(f"q{i}", "t", target=str(i))), f"a{i}", "m") for i in range(n)]


def replay(path: Path, **options: Any) -> Any:
    return REPLAY.build(REPLAY.config(path=path, **options), context(path.parent))


def test_replay_reads_no_further_than_the_last_prompt_it_was_asked(tmp_path):
    path = jsonl(tmp_path / "d.jsonl", *({"query": f"q{i}", "task": "t", "response": f"a{i}"} for i in range(1500)))
    path.write_text(path.read_text() + '{"query": 1, "task": "t"}\n')
    prompts = [trace.prompt for trace in traces(1500)]
    teacher = replay(path)
    answers = [trace.text for part in (prompts[:700], prompts[700:1400]) for trace in teacher.respond(part)]
    assert answers == [f"a{i}" for i in range(1400)]
    with pytest.raises(DataError, match=r"d\.jsonl:1501"):
        list(teacher.respond([Prompt(Query("nowhere", "t"))]))


def test_replay_passes_once_over_its_file_whatever_the_order(tmp_path, monkeypatch):
    write_traces(tmp_path / "t.parquet", traces(50))
    passes = []
    monkeypatch.setattr("orca_core.datafiles.read_traces", lambda *args: passes.append(1) or read_traces(*args))
    assert len(list(replay(tmp_path / "t.parquet").respond(trace.prompt for trace in traces(50)[::-1]))) == 50
    assert len(passes) == 1


def test_replay_answers_in_any_order_again_and_only_what_is_there(tmp_path):
    write_traces(tmp_path / "t.parquet", traces(50))
    teacher = replay(tmp_path / "t.parquet")
    prompts = [trace.prompt for trace in traces(50)]
    for order in (prompts[::-1], prompts[::7], prompts):
        assert [t.text for t in teacher.respond(order)] == [p.query.text.replace("q", "a") for p in order]
    with pytest.raises(UserError, match="has no answer for this prompt of task 't': 'new'; sample from the same file"):
        list(teacher.respond([Prompt(Query("new", "t"))]))


def test_replay_keeps_the_gold_target_that_was_drawn_and_names_the_model_the_file_does_not(tmp_path):
    path = jsonl(tmp_path / "d.jsonl", {"query": "q0", "task": "t", "response": "a0"})
    (trace,) = replay(path, model="gpt-4").respond([traces(1)[0].prompt])
    assert (trace.prompt.query.target, trace.model) == ("0", "gpt-4")


def test_a_published_data_set_is_asked_anew_and_trained_on_as_it_is(project):
    rows = [OPENORCA | {"id": f"cot.{a}", "question": f"{a} + 2", "response": f"It is {a + 2}"} for a in range(5)]
    jsonl(project.root / "d.jsonl", *rows)
    run = ("sampler=file", "sampler.path=d.jsonl", "student=memory", "evaluator=[all-sums]", "curriculum=single")
    run += ("subjects=[student]",)
    for teacher in (("teacher=adder",), ("teacher=replay", "teacher.path=d.jsonl", "teacher.format=openorca")):
        result = project.orca("run", *run, *teacher)
        assert result.returncode == 0, result.stderr
    asked, replayed = (json.loads(path.read_text())["curriculum"][0] for path in project.reports())
    assert (asked["teacher"], asked["kept"]) == ("adder", 5)
    assert (replayed["teacher"], replayed["kept"]) == ("replay", 5)
