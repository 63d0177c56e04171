"""FLAN's chain-of-thought files and their inversions, on small files and on the 33,443 real rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orca_flan.sources.base import Row
from orca_flan.sources.cot import Cot
from orca_flan.verifier import FlanVerifier

from orca_core import Query
from orca_core.errors import DataError
from orca_core.files import stop
from orca_core.verify import AnswerVerifier

ROWS = {
    "cot_gsm8k": 7473,
    "cot_strategyqa": 2061,
    "cot_creak": 6915,
    "cot_qasc": 1084,
    "cot_ecqa": 7112,
    "cot_sensemaking": 6070,
    "stream_aqua": 2728,
}
ALL_OPTIONAL = {"stream_aqua": 5, "cot_ecqa": 5, "cot_qasc": 8, "cot_sensemaking": 2}
"""The sets all of whose questions have options, and how many."""


@pytest.fixture(scope="module")
def flan_cot(shared: Path) -> Path:
    return shared / "flan_cot"


def read(path: Path, inversions: bool = True) -> Iterator[Row]:
    source = Cot(path=path, inversions=inversions).open("cot")
    for shard in source.shards():
        yield from source.read(shard, stop)


def line(query: Query) -> str:
    fields = (query.text, query.target or "", str(query.meta["explanation"]))
    return "\t".join(field.replace("\n", "\\n") for field in fields) + "\n"


def verdict(query: Query, text: str) -> bool | None:
    return (FlanVerifier() if query.meta.get("verifier") == "flan" else AnswerVerifier()).verify(query, text)


def test_the_real_files_are_read_without_loss(flan_cot: Path) -> None:
    queries = [row.query for row in read(flan_cot, inversions=False)]
    assert Counter(query.task for query in queries) == ROWS
    for path in flan_cot.glob("*.tsv"):
        assert (
            "".join(line(query) for query in queries if query.meta["source"] == path.name).encode() == path.read_bytes()
        )


def test_every_real_target_is_reached_by_stating_it_and_is_among_the_options(flan_cot: Path) -> None:
    for number, query in enumerate(row.query for row in read(flan_cot, inversions=False)):
        assert verdict(query, f"{query.meta['explanation']}\n\nThe answer is {query.target}.") is True, query
        if query.task in ALL_OPTIONAL:
            assert len(query.choices) == ALL_OPTIONAL[query.task], query
            if number % 10 == 0:
                assert not verdict(query, "The answer is (J)"), query


def test_every_real_row_has_an_inversion_that_shows_answer_and_explanation(flan_cot: Path) -> None:
    rows = [row.query for row in read(flan_cot)]
    assert len(rows) == 2 * sum(ROWS.values())
    for query, inverted in zip(rows[::2], rows[1::2], strict=True):
        assert inverted.task == query.task.replace("_", "_input_inversion_", 1)
        assert inverted.target == query.text
        assert not inverted.choices
        assert str(query.meta["explanation"]).strip() in inverted.text
        assert (query.target or "") in inverted.text
        assert query.text not in inverted.text
    for inverted in rows[1::40]:
        assert verdict(inverted, inverted.target or "") is True
        assert verdict(inverted, "What else could have been asked?") is None, "another question is not a wrong one"


def test_the_nine_sets_are_flans_eighteen_tasks(tmp_path: Path) -> None:
    for name in ("gsm8k", "strategyqa", "creak", "qasc", "esnli", "ecqa", "sensemaking", "aqua", "qed"):
        (tmp_path / f"{name}_train.tsv").write_text("Why?\tyes\tBecause.\n")
    tasks = {row.query.task for row in read(tmp_path)}
    assert len(tasks) == 18
    assert {"cot_esnli", "stream_qed", "cot_input_inversion_esnli", "stream_input_inversion_qed"} <= tasks
    assert len({row.query.task for row in read(tmp_path, inversions=False)}) == 9


def test_shards_come_in_the_order_of_their_names_and_one_file_is_a_source_too(tmp_path: Path) -> None:
    for name in ("qasc", "aqua", "gsm8k"):
        (tmp_path / f"{name}_train.tsv").write_text(f"{name}?\tyes\tBecause.\n")
    assert Cot(path=tmp_path).open("cot").shards() == ["aqua_train.tsv", "gsm8k_train.tsv", "qasc_train.tsv"]
    assert [row.query.text for row in read(tmp_path / "qasc_train.tsv", inversions=False)] == ["qasc?"]


def test_an_inversion_asks_for_the_options_of_a_question_that_has_some(tmp_path: Path) -> None:
    (tmp_path / "qasc.tsv").write_text("Which?\\nOptions:\\n- (A) x\\n- (B) y\t(B)\tAs y is.\nWhy?\tyes\tSo.\n")
    rows = [row.query for row in read(tmp_path)]
    assert rows[0].choices == ("x", "y")
    assert "options" in rows[1].text
    assert "options" not in rows[3].text


def test_a_file_that_is_not_flans_names_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "gms8k_train.tsv").write_text("Why?\tyes\tBecause.\n")
    with pytest.raises(DataError, match=r"'gms8k_train.tsv' is none of .* did you mean 'gsm8k'\?; read others by"):
        Cot(path=tmp_path).open("cot").shards()


FIELD = st.text(st.characters(exclude_characters="\t\r\0\n", exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(st.lists(st.tuples(FIELD, FIELD, FIELD), min_size=1, max_size=5))
def test_any_fields_are_read_without_loss(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    path = tmp_path_factory.mktemp("cot") / "gsm8k_train.tsv"
    data = "".join("\t".join(fields) + "\n" for fields in rows).encode()
    path.write_bytes(data)
    assert "".join(line(row.query) for row in read(path, inversions=False)).encode() == data.removeprefix(
        b"\xef\xbb\xbf"
    )
