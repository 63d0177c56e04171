"""What a user reads when something is wrong: the key or the place, what is allowed, what to do; exit code 2; nothing lost."""

import json
import os
import subprocess

import pytest
from toy_project import TOY, TOY_RUN

FILE_RUN = ("sampler=file", "teacher=adder", "student=memory", "evaluator=[all-sums]", "curriculum=single")


def mistake(project, *arguments, **env) -> str:
    result = project.orca(*arguments, **env)
    assert result.returncode == 2, (result.stdout, result.stderr)
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("teacher=addr", "teacher=addr: no such option; did you mean 'adder'?"),
        ("teacher.temperature=9", "teacher.temperature = 9: input should be less than or equal to 2"),
        ("teacher.worker=3", "teacher.worker: unknown key; did you mean 'workers'?"),
        ("techer=adder", "techer: unknown key; did you mean 'teacher'?"),
        ("seed=-1", "seed = -1: input should be greater than or equal to 0"),
        ("subjects=[students]", "subjects: no subject 'students'; did you mean 'student'?"),
        ("evaluator=[all-sum]", "evaluator=all-sum: no such option; did you mean 'all-sums'?"),
        ("curriculum.teacher.epoch=3", "curriculum.teacher.epoch: unknown key; did you mean 'epochs'?"),
        ("+experiment=wy-explanations", "did you mean 'why-explanations'?"),
        ("teacher.temperature=${nope}", "teacher.temperature: Interpolation key 'nope' not found"),
    ],
)
def test_a_wrong_override_names_the_key_and_the_nearest_match(project, override, expected):
    replaced = [line for line in TOY_RUN if line.split("=")[0] != override.split("=")[0]]
    assert expected in mistake(project, "run", *replaced, override)
    assert not (project.root / "outputs").exists()


def test_fields_that_do_not_go_together_are_told_under_their_component(project):
    project.env["ORCA_BLOCK_PLUGINS"] = "litellm,lightning,parrot"
    sampler = ("sampler=reasoning", "sampler.families=[web_of_lies]", "sampler.sizes={navigate:[2,3]}")
    errors = mistake(project, "run", *(line for line in TOY_RUN if not line.startswith("sampler")), *sampler)
    assert "sampler: sizes: navigate is not among the families" in errors


def test_all_problems_are_told_at_once(project):
    errors = mistake(project, "run", *TOY_RUN, "teacher.temperature=9", "student.learning_rate=0", "teacher.worker=1")
    assert len([line for line in errors.splitlines() if line.startswith("orca: ")]) == 3


def test_a_mistake_in_what_phases_share_is_told_once(project):
    progressive = [line for line in TOY_RUN if not line.startswith("curriculum")]
    assistant = "teacher@curriculum.assistant.teacher=adder"
    errors = mistake(project, "run", *progressive, "curriculum=progressive", assistant, "sampler.nn=3")
    assert errors.splitlines() == ["orca: sampler.nn: unknown key; did you mean 'n'?"]


def test_a_missing_value_is_named(project):
    assert "sampler.path: missing" in mistake(project, "run", *FILE_RUN)


def test_a_yaml_typo_is_told_with_file_and_line(project):
    conf = project.root / "myconf/experiment"
    conf.mkdir(parents=True)
    (conf / "mine.yaml").write_text("# @package _global_\nseed: 1\n  name: x\n")
    errors = mistake(project, "run", "--config-dir", "myconf", *TOY_RUN, "+experiment=mine")
    assert "mine.yaml" in errors
    assert "line 3" in errors


def test_an_unknown_command_suggests_the_nearest(project):
    assert "did you mean 'plan'?" in mistake(project, "plann")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("q.jsonl", '{"query": "1 + 2", "task": "sums"}\n{"query": "1 +', "q.jsonl:2: malformed JSON"),
        (
            "q.jsonl",
            '{"question": "1 + 2", "task": "sums"}\n',
            "q.jsonl: its columns (question, task) are those of no known format",
        ),
        ("q.jsonl", '{"query": 3, "task": "sums"}\n', "q.jsonl:1: column 'query' must be text, not a number"),
        ("q.jsonl", '{"query": " ", "task": "sums"}\n', "q.jsonl:1: the question is empty"),
        ("q.jsonl", "[1]\n", "q.jsonl:1: each line must be a JSON object"),
        ("q.jsonl", "", "q.jsonl: the file has no rows"),
        ("q.csv", "query,task\n1 + 2\n", "q.csv:2: 2 columns in the header"),
        ("q.parquet", "no parquet", "q.parquet: not a readable Parquet file"),
        ("q.txt", "1 + 2", "unknown kind of file '.txt'; known: .jsonl"),
    ],
)
def test_a_malformed_data_file_is_told_with_file_and_line(project, name, content, expected):
    (project.root / name).write_text(content)
    assert expected in mistake(project, "run", *FILE_RUN, f"sampler.path={name}")


def test_a_data_file_that_is_not_there_or_not_text(project):
    (project.root / "queries.jsonl").write_bytes(b"\xff\xfe")
    assert "queries.jsonl: not UTF-8 text" in mistake(project, "run", *FILE_RUN, "sampler.path=queries.jsonl")
    assert "querie.jsonl" in (errors := mistake(project, "run", *FILE_RUN, "sampler.path=querie.jsonl"))
    assert "No such file" in errors or "no such file" in errors


def test_a_good_data_file_runs(project):
    rows = [{"query": f"{a} + 1", "task": "sums", "target": str(a + 1)} for a in range(3)]
    (project.root / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert project.orca("run", *FILE_RUN, "sampler.path=q.jsonl").returncode == 0


def test_a_plugin_that_raises_on_import_is_a_warning_and_a_row(project):
    project.plugin("bad", "raise RuntimeError('no such luck')")
    result = project.orca("plugins")
    assert result.returncode == 0
    assert "plugin 'bad' is not in use: RuntimeError: no such luck" in result.stderr
    assert "no such luck" in result.stdout
    assert "teacher=adder" in result.stdout
    assert project.orca("run", *TOY_RUN).returncode == 0
    assert "plugin 'bad'" in mistake(project, "plugins", ORCA_STRICT_PLUGINS="1")
    assert "bad" not in project.orca("plugins", ORCA_BLOCK_PLUGINS="reasoning,litellm,lightning,bad").stderr


def test_a_plugin_whose_hook_raises_takes_only_its_own_offers_with_it(project):
    source = "from orca_core import hookimpl\n@hookimpl\ndef orca_teachers():\n    return ['a string']\n"
    project.plugin("odd", source)
    result = project.orca("plugins")
    assert "plugin 'odd' is not in use: TypeError" in result.stderr
    assert "teacher=adder" in result.stdout


def test_two_plugins_with_one_name_are_both_named(project):
    project.plugin("toy", TOY, distribution="other-toy")
    errors = mistake(project, "run", *TOY_RUN)
    assert "plugin 'toy' is not in use" in errors
    assert "other-toy" in errors
    assert "uninstall one" in errors


def test_two_plugins_with_one_component_name_do_not_shadow_each_other(project):
    project.plugin("second", TOY, distribution="second")
    errors = mistake(project, "run", *TOY_RUN)
    assert "teacher=adder: offered by more than one plugin (second, toy)" in errors
    blocked = project.env["ORCA_BLOCK_PLUGINS"] + ",second"
    assert project.orca("run", *TOY_RUN, ORCA_BLOCK_PLUGINS=blocked).returncode == 0


def test_a_full_disk_is_told_and_what_is_finished_is_kept(project):
    disk = project.root / "small"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        run = ("run", *TOY_RUN, "sampler.n=3000", f"store={disk}/store")
        errors = mistake(project, *run)
        assert "the disk is full" in errors
        assert "the same command again" in errors
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert project.orca(*run).returncode == 0
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_that_cannot_be_written_names_the_option(project):
    (project.root / "locked").mkdir(mode=0o500)
    assert "choose another with store=PATH" in mistake(project, "run", *TOY_RUN, "store=locked/store")


def test_a_store_below_a_file_names_the_option(project):
    (project.root / "file").write_text("")
    assert "choose another with store=PATH" in mistake(project, "run", *TOY_RUN, "store=file/store")
