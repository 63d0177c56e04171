"""Keys, locks and whole files."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orca_core.component import content_of_file
from orca_core.store import Store, key_of, write_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, min_size=1, max_size=4))
def test_a_key_does_not_depend_on_the_order_of_fields(identity):
    assert key_of(identity) == key_of(dict(reversed(identity.items())))


@given(st.dictionaries(st.text(), JSON, max_size=3), st.dictionaries(st.text(), JSON, max_size=3))
def test_different_identities_have_different_keys(one, other):
    # Python counts 1 == True; JSON does not
    assert (key_of(one) == key_of(other)) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


def test_a_slot_is_done_exactly_when_it_says_so(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    slot = store.slot("ask", "k")
    with store.locked(slot):
        (slot.path / "half.txt").write_text("half")
        assert slot.done is None
        slot.finish({"traces": 3})
    assert store.slot("ask", "k").done == {"traces": 3}


def test_a_file_is_never_half_written(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"old": 1})
    with pytest.raises(ValueError, match="Circular"):
        write_json(path, (circular := [None], circular.append(circular), circular)[2])
    assert json.loads(path.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_path_is_keyed_by_the_content_behind_it(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.json").write_text("[1]")
    assert content_of_file(tmp_path / "a") == content_of_file(tmp_path / "b")
    (tmp_path / "b/data.json").write_text("[2]")
    assert content_of_file(tmp_path / "a") != content_of_file(tmp_path / "b")


def test_a_new_store_is_its_owners_alone_and_an_old_one_keeps_its_mode(tmp_path):
    Store(tmp_path / "new").prepare()
    (tmp_path / "shared").mkdir(mode=0o750)
    Store(tmp_path / "shared").prepare()
    modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in ("new", "new/cache", "shared", "shared/cache")}
    assert modes == {"new": 0o700, "new/cache": 0o700, "shared": 0o750, "shared/cache": 0o700}
