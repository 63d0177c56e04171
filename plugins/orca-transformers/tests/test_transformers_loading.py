"""Where models come from, what is said when one cannot be used, and the devices that they run on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from orca_transformers import TransformersConfig
from transformers import AutoModelForCausalLM, AutoTokenizer

from orca_core import OrcaError, Prompt, Query, UserError
from orca_core.parts import resolve
from orca_core.plugins import load

ONE = [Prompt(Query("1 + 1 = ?", "t"), "Think.")]


def refused(teacher: Any, prompts: list[Prompt] = ONE) -> str:
    with pytest.raises(UserError) as caught:
        list(teacher.respond(prompts))
    return str(caught.value)


def test_a_directory_that_is_not_there_is_told_with_what_is_near(make_teacher, tiny):
    said = refused(make_teacher(model=f"{tiny.parent}/tiny-lama"))
    assert "no such directory; did you mean 'tiny-llama'?" in said
    assert "nor" in refused(make_teacher(model="/no/such/place/model"))


def test_offline_a_name_of_the_hub_says_where_models_are_looked_for_and_what_to_do(make_teacher, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    said = refused(make_teacher(model="nobody/no-such-model"))
    assert constants.HF_HUB_CACHE in said
    assert "hf download nobody/no-such-model" in said
    assert "teacher.model=/path/to/directory" in said


@pytest.mark.parametrize(
    ("missing", "piece"),
    [("config.json", "config.json"), ("model.safetensors", "weights"), ("tokenizer.json", "tokenizer")],
)
def test_a_directory_that_lacks_a_piece_says_which(make_teacher, tiny, tmp_path, missing, piece):
    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    (copy / missing).unlink()
    said = refused(make_teacher(model=str(copy)))
    assert f"{copy} is no model that can be used, for want of" in said
    assert piece in said


def test_a_model_of_another_kind_is_refused(make_teacher, tiny, tmp_path):
    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"model_type": "vit", "architectures": ["ViTModel"]}))
    assert "causal language model" in refused(make_teacher(model=str(copy)))


def test_without_a_chat_template_plain_text_must_be_asked_for(make_teacher, write_model, tmp_path):
    bare = str(write_model(tmp_path / "bare", template=None))
    assert "teacher.template=plain" in refused(make_teacher(model=bare))
    (trace,) = make_teacher(model=bare, template="plain", max_tokens=8).respond(ONE)
    tokenizer = AutoTokenizer.from_pretrained(bare)
    assert trace.prompt_tokens == len(tokenizer("Think.\n\n1 + 1 = ?\n\n")["input_ids"])


def test_a_template_that_refuses_system_messages_says_so_before_anything_is_answered(
    make_teacher, write_model, tmp_path
):
    strict = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}hi"
    teacher = make_teacher(model=str(write_model(tmp_path / "strict", template=strict)), max_tokens=2)
    assert "refuses a system message (System role not supported)" in refused(teacher)
    (trace,) = teacher.respond([Prompt(Query("1 + 1 = ?", "t"))])
    assert trace.completion_tokens > 0


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(Query("1 + " * 200, "t")),
        Prompt(Query("Which?", "t"), choices=("A", "1 + " * 200)),
        Prompt(Query("half a character: \ud800", "t")),
        Prompt(Query("Which?", "t"), choices=("A", "\ud800")),
    ],
)
def test_a_prompt_that_cannot_be_read_is_a_dead_letter_and_the_others_are_answered(make_teacher, prompt):
    traces = list(make_teacher(max_tokens=4).respond([*ONE, prompt]))
    dead = next(trace for trace in traces if trace.prompt == prompt)
    assert (dead.finish_reason, dead.text) == ("error", "")
    assert "do not fit into the model's context of 256" in dead.error or "no valid Unicode" in dead.error
    assert [trace.finish_reason for trace in traces if trace is not dead] != ["error"]


def test_a_device_that_is_not_there_is_told(make_teacher):
    assert "there is no cuda:7 here" in refused(make_teacher(devices=("cuda:7",)))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model": ""}, "should be a directory"),
        ({"devices": ["gpu"]}, "should match pattern"),
        ({"spread": True, "devices": ["cpu"]}, "leave devices at null"),
        ({"model": ".", "revision": "main"}, "is local"),
        ({"model": __file__, "gguf_file": "x.gguf"}, "is a file itself"),
        ({"stop": [""]}, "at least 1 character"),
    ],
)
def test_a_bad_setting_says_what_is_allowed(config, said):
    with pytest.raises(ValueError, match=said):
        TransformersConfig.model_validate({"model": "owner/name", **config})


def test_how_fast_is_no_part_of_the_key_and_a_local_model_is_known_by_content(tiny, tmp_path):
    def identity(**config: object) -> object:
        return resolve(load(), "teacher", {"name": "transformers", "model": str(tiny), **config}, "teacher").identity()

    first = identity()
    assert identity(batch_tokens=7, devices=["cpu"]) == first == identity(spread=True)
    assert identity(model=shutil.copytree(tiny, tmp_path / "moved")) == first
    assert identity(temperature=0.5) != first
    assert identity(template="plain") != first


def test_one_model_can_be_spread_over_what_there_is(make_teacher):
    (spread,) = make_teacher(devices=None, spread=True, max_tokens=8, cache="spread").respond(ONE)
    (single,) = make_teacher(max_tokens=8).respond(ONE)
    assert spread.text == single.text


def write_gguf(model: Path, path: Path) -> None:
    """The tiny model in llama.cpp's format."""
    import gguf

    weights, tokenizer = AutoModelForCausalLM.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    config, writer = weights.config, gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokenizer.convert_ids_to_tokens(range(len(tokenizer))))
    writer.add_token_types([3 if i < 5 else 1 for i in range(len(tokenizer))])
    writer.add_token_merges(
        [" ".join(pair) for pair in json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]]
    )
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(0)
    writer.add_chat_template(tokenizer.chat_template)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in weights.state_dict().items():
        data = tensor.numpy().astype(np.float32)
        if ".q_proj" in name or ".k_proj" in name:  # llama.cpp pairs the rotary dimensions differently
            heads = config.num_attention_heads if ".q_proj" in name else config.num_key_value_heads
            data = data.reshape(heads, 2, -1, data.shape[1]).swapaxes(1, 2).reshape(data.shape)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), np.ascontiguousarray(data))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_file_answers_as_the_directory_that_it_was_made_of(make_teacher, tiny, tmp_path, prompts):
    write_gguf(tiny, tmp_path / "tiny.gguf")
    asked = prompts(6)
    from_file = {t.prompt.id: t for t in make_teacher(model=str(tmp_path / "tiny.gguf"), max_tokens=12).respond(asked)}
    named = make_teacher(model=str(tmp_path), gguf_file="tiny.gguf", max_tokens=12)
    for trace in make_teacher(max_tokens=12).respond(asked):
        other = from_file[trace.prompt.id]
        assert (other.text, other.prompt_tokens, other.model) == (trace.text, trace.prompt_tokens, "tiny.gguf")
    assert next(iter(named.respond(asked[:1]))).text == from_file[asked[0].id].text


@pytest.mark.slow
def test_several_devices_answer_alike_and_a_worker_that_dies_is_told(make_teacher, prompts):
    asked = prompts(30)
    single = {t.prompt.id: t for t in make_teacher(max_tokens=12, cache="single").respond(asked)}
    teacher = make_teacher(max_tokens=12, devices=("cpu", "cpu"), batch_tokens=300)
    assert {t.prompt.id: t for t in teacher.respond(asked)} == single
    workers = teacher._replicas.workers
    assert len(workers) == 2
    os.kill(next(iter(workers.values())).pid, signal.SIGKILL)
    with pytest.raises(OrcaError, match=r"orca cpu died \(exit code -9"):
        list(teacher.respond([Prompt(Query(f"another {i}", "t")) for i in range(9)]))
    assert workers == {}, "the next answers come from new ones"


CHILD = """
import multiprocessing, sys, time
from orca_transformers import TransformersConfig
from orca_transformers.replicas import _work

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    config = TransformersConfig(model=sys.argv[1])
    worker = context.Process(target=_work, args=(context.Pipe()[1], config, "cpu"), daemon=True)
    worker.start()
    print(worker.pid, flush=True)
    time.sleep(600)
"""


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_worker_ends_with_a_parent_that_was_killed_in_the_middle_of_its_work(tmp_path):
    (tmp_path / "endless").mkdir()
    os.mkfifo(tmp_path / "endless/config.json")  # nobody writes: loading never ends
    (tmp_path / "child.py").write_text(CHILD)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, tmp_path / "child.py", tmp_path / "endless"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        worker = int(child.stdout.readline())
        assert alive(worker)
        child.kill()
    deadline = time.monotonic() + 120
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(worker)
