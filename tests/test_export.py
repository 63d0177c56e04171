"""``orca export``: what is written is what the formats' users document, and reading it back loses nothing."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from fake_hub import TOKEN, FakeHub
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_project import TOY, TOY_RUN

from orca_core import DataError, Prompt, Query, Trace, Turn, UserError
from orca_core.cli import main
from orca_core.export import export, find_subject, hub
from orca_core.export.card import command
from orca_core.export.origins import teacher_origin
from orca_core.formats import EXPORTS, FormatName, read_traces
from orca_core.records import DEAD
from orca_core.store import Slot
from orca_core.tables import write_traces
from orca_core.testing.project import Project

FORMATS = sorted(EXPORTS)
LINES = [name for name in FORMATS if EXPORTS[name].suffix == ".jsonl"]

# every character but surrogates: NUL, line separators, right-to-left marks, quotes
texts = st.text(st.characters(codec="utf-8"), max_size=20)
questions = texts.filter(str.strip)
metas = st.dictionaries(texts, st.integers() | texts | st.booleans() | st.lists(texts, max_size=2), max_size=2)
numbers = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
traces = st.builds(
    Trace,
    prompt=st.builds(
        Prompt,
        query=st.builds(
            Query,
            text=questions,
            task=texts,
            collection=texts | st.sampled_from(["niv2", "cot"]),
            target=st.none() | texts,
            choices=st.lists(texts, max_size=3).map(tuple),
            meta=metas,
            history=st.just(()) | st.lists(st.builds(Turn, questions, texts, st.booleans()), max_size=2).map(tuple),
        ),
        system=st.just("") | texts,
        choices=st.lists(texts, max_size=2).map(tuple),
        sample=st.integers(0, 3),
        decoding=st.sampled_from([{}, {"temperature": 0.7, "stop": ["x"]}]),
    ),
    text=texts,
    model=texts,
    finish_reason=st.sampled_from(["stop", "length", "content_filter"]),
    prompt_tokens=st.none() | st.integers(0, 10**9),
    completion_tokens=st.none() | st.integers(0, 10**9),
    latency_s=st.none() | numbers,
    cost_usd=st.none() | numbers,
    decoding=metas,
    choice_logprobs=st.none() | st.lists(numbers, max_size=3).map(tuple),
    correct=st.none() | st.booleans(),
    error=texts,
)


def answers(n: int = 3, **changes: Any) -> list[Trace]:
    system = ["", "Explain like I'm five.", "Think step by step\nand justify."]
    prompts = [
        Prompt(Query(f"Why {i}?", f"task {i % 2}", "cot", target=str(i), meta={"i": i}), system[i % 3])
        for i in range(n)
    ]
    return [
        replace(Trace(p, f"Because {p.query.text}", "gpt-4", decoding={"temperature": 0.7}), **changes) for p in prompts
    ]


def slot(root: Path, rows: list[Trace], kind: str = "select") -> Path:
    path = root / "store" / kind / "0123456789abcdef"
    path.mkdir(parents=True)
    for index in range(0, len(rows), 4):
        write_traces(path / f"traces-{index:05d}.parquet", rows[index : index + 4])
    Slot(path).finish({"traces": len(rows)})
    return path


def exported(root: Path, rows: list[Trace], format: str) -> Path:
    return export(find_subject(slot(root, rows)), EXPORTS[format], root / "out").path


def rows_of(directory: Path) -> list[dict[str, Any]]:
    files = sorted((directory / "data").rglob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_bytes().decode().split("\n") if line]


@settings(max_examples=12, deadline=None)
@given(rows=st.lists(traces, min_size=1, max_size=6))
def test_what_is_exported_is_read_back_without_loss(rows):
    with tempfile.TemporaryDirectory() as root:
        subject = find_subject(slot(Path(root), rows))
        several = any(trace.prompt.query.history for trace in rows)
        for format in FORMATS:
            if several and format in ("openorca", "alpaca"):
                with pytest.raises(UserError, match=f"several turns, which format={format} cannot hold"):
                    export(subject, EXPORTS[format], Path(root) / format)
                continue
            directory = export(subject, EXPORTS[format], Path(root) / format).path
            assert list(read_traces(directory)) == rows, format
            bare = [(t.prompt.system, t.prompt.query.text, t.text) for t in read_traces(data_file(directory))]
            assert bare == [(t.prompt.system, t.prompt.query.text, t.text) for t in rows], format


def data_file(directory: Path) -> Path:
    (file,) = (directory / "data").iterdir()
    return file


SYSTEM = {"const": "system"}
DOCUMENTED: dict[str, dict[str, Any]] = {
    # https://huggingface.co/datasets/Open-Orca/OpenOrca
    "openorca": {"keys": ["id", "system_prompt", "question", "response"]},
    # https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md#sharegpt-format
    "sharegpt": {"turns": {"conversations": ["system?", "human", "gpt"]}, "of": ["from", "value"]},
    # https://platform.openai.com/docs/guides/supervised-fine-tuning and https://huggingface.co/docs/trl/dataset_formats
    "messages": {"turns": {"messages": ["system?", "user", "assistant"]}, "of": ["role", "content"]},
    "prompt-completion": {
        "turns": {"prompt": ["system?", "user"], "completion": ["assistant"]},
        "of": ["role", "content"],
    },
    # https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md#alpaca-format
    "alpaca": {"keys": ["instruction", "input", "output", "system"]},
}


def schema(format: str) -> dict[str, Any]:
    """The JSON Schema of a row, strictly: OpenAI refuses a file with other keys."""
    documented = DOCUMENTED[format]
    text: dict[str, Any] = {"type": "string"}
    if "keys" in documented:
        fields = dict.fromkeys(documented["keys"], text)
    else:
        role, content = documented["of"]
        fields = {name: turns(wanted, role, content) for name, wanted in documented["turns"].items()}
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def turns(wanted: list[str], role: str, content: str) -> dict[str, Any]:
    def turn(name: str) -> dict[str, Any]:
        said = {"type": "string", "minLength": 1} if name == "system" else {"type": "string"}
        fields = {role: {"const": name}, content: said}
        return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}

    least = [turn(name) for name in wanted if not name.endswith("?")]
    whole = [turn(name.rstrip("?")) for name in wanted]
    shapes = [
        {"prefixItems": s, "items": False, "minItems": len(s)} for s in ([least, whole] if whole != least else [least])
    ]
    return {"type": "array", "oneOf": shapes}


@pytest.mark.parametrize("format", LINES)
def test_every_row_has_the_documented_keys_and_no_others(tmp_path, format):
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(schema(format))
    rows = rows_of(exported(tmp_path, answers(6), format))
    assert len(rows) == 6
    assert [error.message for row in rows for error in validator.iter_errors(row)] == []
    assert [error.message for error in validator.iter_errors(rows[0] | {"weight": 1})] != []


@pytest.mark.parametrize("format", FORMATS)
def test_datasets_loads_every_export_as_its_card_says(tmp_path, format):
    from datasets import load_dataset

    directory = exported(tmp_path, answers(5), format)
    data = load_dataset(str(directory), "default", split="train", cache_dir=str(tmp_path / "cache"))
    assert data.num_rows == 5
    expected = rows_of(directory) or [EXPORTS[format].write(trace) for trace in answers(5)]
    assert [dict(row) for row in data] == expected


def test_trl_trains_on_messages_and_on_prompts_with_completions(tmp_path):
    """As TRL tells a conversational data set by itself: https://huggingface.co/docs/trl/dataset_formats."""
    (row, *_) = rows_of(exported(tmp_path, answers(3)[1:], "prompt-completion"))
    assert [message["role"] for message in row["prompt"]] == ["system", "user"]
    assert [message["role"] for message in row["completion"]] == ["assistant"]


@pytest.mark.parametrize("format", FORMATS)
def test_llama_factory_finds_the_files_and_columns_it_is_told_of(tmp_path, format):
    """Its loader takes all files of a folder, which are of one kind; columns and tags are named in dataset_info.json."""
    directory = exported(tmp_path, answers(), format)
    if format == "prompt-completion":
        assert not (directory / "dataset_info.json").exists()
        return
    ((name, info),) = json.loads((directory / "dataset_info.json").read_text()).items()
    assert name == "select-01234567"
    assert {file.suffix for file in (directory / info["file_name"]).iterdir()} == {EXPORTS[format].suffix}
    row = next(iter(rows_of(directory)), None) or EXPORTS[format].write(answers()[0])
    assert set(info["columns"].values()) <= row.keys()
    if info.get("formatting") == "sharegpt":
        tags = {"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt"} | info.get(
            "tags", {}
        )
        turn = row[info["columns"]["messages"]][-2:]
        assert [t[tags["role_tag"]] for t in turn] == [tags["user_tag"], tags["assistant_tag"]]
        assert turn[1][tags["content_tag"]] == "Because Why 0?"


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "prompt-completion"])
def test_the_axolotl_config_in_the_card_names_what_is_there(tmp_path, format):
    """Its ``datasets:`` entries: https://docs.axolotl.ai/docs/dataset-formats/conversation.html and inst_tune.html."""
    directory = exported(tmp_path, answers(2)[1:], format)
    _, body = card_of(directory)
    (entry,) = yaml.safe_load(re.search(r"```yaml\n(.*?)```", body, re.S)[1])["datasets"]
    assert (entry["path"], entry["name"]) == ("PATH", "default")
    row = next(iter(rows_of(directory)), None) or EXPORTS[format].write(answers(2)[1])
    if entry["type"] == "chat_template":
        names = {"role": "role", "content": "content"} | entry.get("message_property_mappings", {})
        assert [set(turn) for turn in row[entry.get("field_messages", "messages")]] == [set(names.values())] * 3
    elif isinstance(entry["type"], dict):
        assert set(entry["type"].values()) <= row.keys()
    else:
        needed = {"alpaca_w_system.load_instruct": "instruction input output system"}
        needed["alpaca_w_system.load_open_orca"] = "system_prompt question response"
        assert set(needed[entry["type"]].split()) <= row.keys()


def test_an_empty_system_message_is_left_out_of_conversations_and_empty_in_openorca(tmp_path):
    for format in LINES:
        (tmp_path / format).mkdir()
        rows_of(exported(tmp_path / format, answers(1), format))
    assert rows_of(tmp_path / "openorca/out")[0]["system_prompt"] == ""
    assert rows_of(tmp_path / "alpaca/out")[0]["system"] == ""
    assert [t["from"] for t in rows_of(tmp_path / "sharegpt/out")[0]["conversations"]] == ["human", "gpt"]
    assert [m["role"] for m in rows_of(tmp_path / "messages/out")[0]["messages"]] == ["user", "assistant"]


def test_the_id_of_an_openorca_row_begins_with_its_sub_collection(tmp_path):
    (row,) = rows_of(exported(tmp_path, answers(1), "openorca"))
    assert row["id"] == f"cot.{answers(1)[0].prompt.id}"


def test_large_exports_are_several_files_whose_rows_stay_beside_their_details(tmp_path, monkeypatch):
    monkeypatch.setattr("orca_core.export.writing.BATCH_ROWS", 2)
    monkeypatch.setattr("orca_core.export.writing.SHARD_BYTES", 100)
    directory = exported(tmp_path, answers(11), "messages")
    names = [file.stem for file in sorted((directory / "data").iterdir())]
    assert names == [f"train-{index:05d}-of-00003" for index in range(3)]
    assert [file.stem for file in sorted((directory / "details").iterdir())] == names
    assert list(read_traces(directory)) == answers(11)


def test_dead_letters_are_no_training_data(tmp_path):
    rows = answers(3)
    dead = replace(rows[1], text="", finish_reason=DEAD, error="timeout")
    directory = export(
        find_subject(slot(tmp_path, [rows[0], dead, rows[2]], "ask")), EXPORTS["messages"], tmp_path / "o"
    ).path
    assert list(read_traces(directory)) == [rows[0], rows[2]]
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match="no answers in phase 'ask', only dead letters"):
        export(find_subject(slot(tmp_path / "b", [dead], "ask")), EXPORTS["messages"], tmp_path / "b/o")
    assert not list(tmp_path.glob("b/*o*"))[1:]


def drop_line(directory: Path) -> None:
    file = data_file(directory)
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))


def add_line(directory: Path) -> None:
    file = data_file(directory)
    file.write_text(file.read_text() + file.read_text().splitlines()[0] + "\n")


def edit_question(directory: Path) -> None:
    file = data_file(directory)
    file.write_text(file.read_text().replace("Why 1?", "Why not?"))


def drop_details(directory: Path) -> None:
    next((directory / "details").iterdir()).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop_line, r"details/train-00000-of-00001\.parquet: has more rows than .*jsonl; the two belong together"),
        (add_line, r"train-00000-of-00001\.jsonl:4: .*details/train-00000-of-00001\.parquet has no row for this one"),
        (edit_question, r"train-00000-of-00001\.jsonl:2: its row in .* is of another question"),
        (
            drop_details,
            r"jsonl: its details are missing \(.*parquet\); export again, or move the folder 'details' away",
        ),
    ],
)
def test_data_and_details_that_do_not_belong_together_are_told(tmp_path, damage, message):
    directory = exported(tmp_path, answers(), "messages")
    damage(directory)
    with pytest.raises(DataError, match=message):
        list(read_traces(directory))


def test_a_corrected_answer_is_read_with_its_details(tmp_path):
    directory = exported(tmp_path, answers(), "messages")
    file = data_file(directory)
    file.write_text(file.read_text().replace("Because Why 1?", "Nobody knows."))
    assert list(read_traces(directory))[1] == replace(answers()[1], text="Nobody knows.")


def test_an_export_that_fails_leaves_nothing_and_none_is_overwritten(tmp_path, monkeypatch):
    subject = find_subject(slot(tmp_path, answers()))
    export(subject, EXPORTS["messages"], tmp_path / "first")
    before = {path: path.read_bytes() for path in (tmp_path / "first").rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="first: is there already; choose another with --out DIR"):
        export(subject, EXPORTS["openorca"], tmp_path / "first")

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="second: cannot be written: No space left"):
        export(subject, EXPORTS["messages"], tmp_path / "second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "store"]
    assert before == {path: path.read_bytes() for path in (tmp_path / "first").rglob("*") if path.is_file()}


def card_of(directory: Path) -> tuple[dict[str, Any], str]:
    _, front, body = (directory / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(front), body


def test_the_card_tells_shares_teachers_terms_and_licences(tmp_path):
    front, body = card_of(exported(tmp_path, answers(4), "messages"))
    assert front["size_categories"] == ["n<1K"]
    assert front["license"] == "other"
    assert front["configs"] == [
        {"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.jsonl"}]}
    ]
    assert "| cot | 4 | 100.0 % | 2 | FLAN's collection Apache-2.0" in body
    assert "| select | gpt-4 | 4 | temperature=0.7 | OpenAI | its terms of use forbid developing models" in body
    assert "| 2 | 50.0 % | (empty) |" in body
    assert "Different messages: 3." in body
    assert "which run made it, from which seed, is not known here" in body


def test_what_is_unknown_is_said_to_be(tmp_path):
    rows = answers(2, model="my-own-model", decoding={})
    rows = [replace(t, prompt=replace(t.prompt, query=replace(t.prompt.query, collection="mine"))) for t in rows]
    front, body = card_of(exported(tmp_path, rows, "openorca"))
    assert front["license"] == "unknown"
    assert "| select | my-own-model | 2 | not recorded | unknown | unknown: ask whoever provides the model |" in body
    assert "| mine | 2 | 100.0 % | 2 | unknown |" in body


def test_text_of_the_data_is_no_markup_in_the_card(tmp_path):
    rows = [replace(t, prompt=replace(t.prompt, system="a | b\n# <b>c</b> [x](y)")) for t in answers(1)]
    _, body = card_of(exported(tmp_path, rows, "openorca"))
    assert r"| 1 | 100.0 % | a \| b \# &lt;b>c&lt;/b> \[x\](y) |" in body


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-4-0613", "OpenAI"),
        ("azure/gpt-35-turbo", "OpenAI"),
        ("openai/o3-mini", "OpenAI"),
        ("openrouter/openai/gpt-oss-20b", "OpenAI (open weights)"),
        ("bedrock/anthropic.claude-3-5-sonnet", "Anthropic"),
        ("hosted_vllm/meta-llama/Llama-3.1-8B-Instruct", "Meta (open weights)"),
        ("Qwen/Qwen2.5-7B-Instruct", "Alibaba Cloud (open weights)"),
        ("HuggingFaceTB/SmolLM2-360M-Instruct", "Hugging Face (open weights)"),
        ("openai/my-finetune", "unknown"),
        ("EleutherAI/gpt-j-6b", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_provider_of_a_model_is_told_by_its_name(model, provider):
    assert teacher_origin(model).name == provider


def test_the_command_in_the_card_has_no_secret_no_address_and_no_directory_of_this_machine():
    overrides = [
        "sampler.path=/home/me/secret-project/q.jsonl",
        "+more=~/x/y.yaml",
        "teacher.api_key=sk-123",
        "teacher.api_base=http://10.0.0.7:8000/v1",
        "hub=https://me:pw@example.org/a/b",
        "sampler.name=it's",
    ]
    shown = command(overrides)
    assert shown == (
        "orca run sampler.path=q.jsonl +more=y.yaml 'teacher.api_key=***' 'teacher.api_base=***' "
        """'hub=https://***@example.org/a/b' 'sampler.name=it'"'"'s'"""
    )


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """A project with a run of two phases."""
    project = Project(tmp_path_factory.mktemp("toys"))
    project.plugin("toy", TOY)
    two = ("curriculum=progressive", "teacher@curriculum.assistant.teacher=adder-brief", "evaluator=[]", "seed=3")
    result = project.orca("run", *TOY_RUN[:3], *two, "sampler.n=30")
    assert result.returncode == 0, result.stderr
    return project


@pytest.fixture
def run(toys, tmp_path, monkeypatch):
    """The run's directory; the test is at work in another."""
    monkeypatch.chdir(tmp_path)
    return toys.reports()[0].parent


def test_phases_are_configs_and_one_can_be_chosen(toys, run, capsys):
    assert main(["export", str(run), "--format", "messages"]) == 0
    mine = Path("orca-messages")
    assert "datasets.load_dataset('orca-messages', 'teacher', split='train')" in capsys.readouterr().out
    front, body = card_of(mine)
    assert [config["config_name"] for config in front["configs"]] == ["assistant", "teacher"]
    assert "*id" not in (mine / "README.md").read_text(), "no YAML anchors, which not every reader of cards knows"
    assert "orca run sampler=sums" in body
    assert "Seed 3." in body
    assert re.search(r"\| asked \| \d+ \| \d+ \|", body)
    assert str(toys.root) not in body
    with pytest.raises(DataError, match=r"holds several phases; give one, e\.g\. .*data/assistant \(or teacher\)"):
        list(read_traces(mine))
    assistant = list(read_traces(mine / "data/assistant"))
    assert {trace.model for trace in assistant} == {"adder"}
    assert all(trace.prompt.query.target for trace in assistant)
    assert main(["export", str(run), "--format", "messages", "--phase", "assistant", "--out", "one"]) == 0
    assert list(read_traces(Path("one"))) == assistant


def test_the_same_run_makes_the_same_files(run):
    contents = []
    for out in ("a", "b"):
        assert main(["export", str(run), "--format", "sharegpt", "--out", out]) == 0
        files = (path for path in Path(out).rglob("*") if path.is_file())
        contents.append({path.relative_to(out): path.read_bytes() for path in files})
    assert len(contents[0]) == 6
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["RUN", "--format", "message"], "--format message: no such format; did you mean 'messages'?"),
        (["RUN"], "--format is needed: openorca, sharegpt, messages"),
        (["RUN", "--format", "messages", "--phase", "teachr"], "no phase is called 'teachr'; did you mean 'teacher'?"),
        (["nowhere", "--format", "messages"], "nowhere: no such directory"),
        ([".", "--format", "messages"], ".: is neither a run nor a stage"),
        (["RUN", "--format", "messages", "--private"], "--private is about --push-to-hub"),
        (["RUN", "--fromat", "messages"], "unrecognized arguments: --fromat"),
        (["RUN", "--format", "messages", "--push-to-hub", "me/x"], "needs a Hugging Face token with write access"),
    ],
)
def test_a_mistake_is_told_with_what_is_allowed(run, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert main(["export", *(str(run) if word == "RUN" else word for word in arguments)]) == 2
    assert message in capsys.readouterr().err
    assert list(Path().iterdir()) == []


def test_a_stage_without_answers_says_what_it_holds(toys, run, capsys):
    def told(path: Path) -> str:
        assert main(["export", str(path), "--format", "messages"]) == 2
        return capsys.readouterr().err

    assert "holds prompts without answers; give a run's directory" in told(next((toys.root / "store/sample").iterdir()))
    assert "is neither a run nor a stage" in told(next((toys.root / "store/fit").iterdir()))
    stage = next((toys.root / "store/select").iterdir())
    (stage / "done.json").rename(stage / "done")
    try:
        assert "this stage is not finished" in told(stage)
        assert "are not in the store any more; the run's own command makes them again" in told(run)
    finally:
        (stage / "done").rename(stage / "done.json")


def test_an_export_is_not_exported_again(tmp_path, capsys):
    directory = exported(tmp_path, answers(), "messages")
    assert main(["export", str(directory), "--format", "openorca"]) == 2
    assert "this is an export already; --push-to-hub OWNER/NAME uploads it" in capsys.readouterr().err


PAGE = (Path(__file__).resolve().parents[1] / "docs/datasets.md").read_text()
COMMANDS = [
    shlex.split(line)[1:] for block in re.findall(r"```bash\n(.*?)```", PAGE, re.S) for line in block.splitlines()
]


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "export"], ids=" ".join)
def test_the_exports_of_the_page_are_made(run, words):
    local = words[: words.index("--push-to-hub")] if "--push-to-hub" in words else words
    assert main([local[0], str(run), *local[2:]]) == 0
    assert Path("my-openorca" if "--out" in local else f"orca-{local[3]}").is_dir()


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "run"], ids=" ".join)
def test_the_runs_of_the_page_compose_and_check(tmp_path, words):
    rows = [EXPORTS["openorca"].write(trace) for trace in answers()]
    (tmp_path / "openorca.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    several = {"conversations": [{"from": who, "value": "x"} for who in ("human", "gpt", "human")]}
    (tmp_path / "sharegpt").mkdir()
    lines = [json.dumps(row) + "\n" for row in (several, EXPORTS["sharegpt"].write(answers()[0]))]
    (tmp_path / "sharegpt/part.jsonl").write_text("".join(lines))
    result = Project(tmp_path).orca("plan", *words[1:])
    assert result.returncode == 0, result.stderr


def test_the_page_names_every_format():
    named = set(re.findall(r"^\| (`.*?) \|", PAGE, re.M))
    assert {name for cell in named for name in re.findall(r"`([\w-]+)`", cell)} >= {*FORMATS, *get_args(FormatName)} - {
        "auto"
    }


def push(server: FakeHub, directory: Path, repo: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    places = {"HF_HOME": str(directory.parent / "hf"), "HF_ENDPOINT": server.url, "HF_TOKEN": token}
    environment = os.environ | places | {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    words = ("export", str(directory), "--push-to-hub", repo, "--private")
    return subprocess.run(
        [sys.executable, "-m", "orca_core.cli", *words], env=environment, capture_output=True, text=True, check=False
    )


def test_an_export_is_pushed_with_its_card_and_every_row_as_it_is(tmp_path):
    import pyarrow.parquet as pq

    # a column of nothing but dates, which Arrow's reader of JSON would take for timestamps
    directory = exported(tmp_path, answers(3, text="2019-01-01"), "openorca")
    with FakeHub().serving() as server:
        result = push(server, directory, "me/explained")
    assert result.returncode == 0, result.stderr
    assert f"pushed: {server.url}/datasets/me/explained" in result.stdout
    files = server.files["me/explained"]
    assert server.private == {"me/explained": True}
    (tmp_path / "x.parquet").write_bytes(files["data/train-00000-of-00001.parquet"])
    assert pq.read_table(tmp_path / "x.parquet").to_pylist() == rows_of(directory)
    (tmp_path / "x.parquet").write_bytes(files["details/train-00000-of-00001.parquet"])
    assert pq.read_table(tmp_path / "x.parquet")["target"].to_pylist() == ["0", "1", "2"]
    (tmp_path / "README.md").write_bytes(files["README.md"])
    front, body = card_of(tmp_path)
    assert [config["config_name"] for config in front["configs"]] == ["default", "details"]
    assert front["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*"}]
    assert "its terms of use forbid developing models" in body


@pytest.mark.parametrize(
    ("repo", "token", "message"),
    [
        ("me/explained", "hf_wrong", "the token is not valid (401)"),
        ("you/explained", TOKEN, "the token may not write there (403)"),
    ],
)
def test_a_refusal_of_the_hub_is_told_in_words_and_without_the_token(tmp_path, repo, token, message):
    directory = exported(tmp_path, answers(), "messages")
    with FakeHub().serving() as server:
        result = push(server, directory, repo, token)
    assert (result.returncode, "Traceback" in result.stderr) == (2, False), result.stderr
    assert message in result.stderr
    assert (
        f"the export is whole in {directory}: `orca export {directory} --push-to-hub {repo}` tries again"
        in result.stderr
    )
    assert token not in result.stderr + result.stdout


def test_a_name_that_is_none_is_told_before_anything_is_sent(tmp_path):
    directory = exported(tmp_path, answers(), "messages")
    with pytest.raises(UserError, match="--push-to-hub me/a/b: no name of a data set"):
        hub.push(directory, "me/a/b", private=True)


def test_a_hub_that_is_not_there_is_told(tmp_path):
    directory = exported(tmp_path, answers(), "messages")
    with FakeHub().serving() as server:
        pass
    result = push(server, directory, "me/explained")
    assert result.returncode == 2, result.stderr
    assert "the Hub cannot be reached" in result.stderr
