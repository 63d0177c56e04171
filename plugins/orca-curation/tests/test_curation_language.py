"""Answers in the wanted languages: written samples, hazards, and real text where it is at hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from orca_curation import LANGUAGE

from orca_core import Prompt, Query, Trace
from orca_core.testing import build, check_selector, make_context

CONTEXT = make_context(Path())
SAMPLES = {
    "de": "Der Zug ist schon abgefahren, deshalb nehmen wir heute lieber den Bus zum Bahnhof.",
    "fr": "Le train est déjà parti, donc nous prenons plutôt le bus pour aller à la gare.",
    "es": "El tren ya se ha ido, así que hoy preferimos tomar el autobús hasta la estación.",
    "it": "Il treno è già partito, quindi oggi prendiamo l'autobus per andare alla stazione.",
    "pl": "Pociąg już odjechał, dlatego dzisiaj wolimy pojechać autobusem na dworzec.",
    "ru": "Поезд уже ушёл, поэтому сегодня мы поедем на вокзал на автобусе.",
    "zh": "火车已经开走了。所以我们今天最好坐公共汽车去火车站。",
    "ja": "電車はもう出てしまったので、今日はバスで駅まで行くことにしましょう。",
    "hi": "ट्रेन पहले ही जा चुकी है, इसलिए आज हम बस से स्टेशन जाएंगे।",
    "ar": "لقد غادر القطار بالفعل، لذلك سنذهب اليوم إلى المحطة بالحافلة.",
}
ENGLISH = [
    "The train has left already, so today we had better take the bus to the station.",
    "Step 1: the word 'Bahnhof' means station. Step 2: 'abgefahren' means departed. So the bus is the answer.",
    "Vlad III Prince of Wallachia, also called Vlad the Impaler, is believed to be the inspiration of Dracula.",
    "Pythagoras is an ancient philosopher who is no longer living.",
]
NO_LANGUAGE = [
    "42",
    "(B)",
    "Bonjour",
    "x^2 + 3x - 4 = 0 => (x + 4)(x - 1) = 0 => x = -4, 1",
    "T = 192/32 = 6 h\nT = 6 - 3 = 3\nTime Ratio = 6:3 = 2:1\nSpeed Ratio = 1:2",
    "D = 25 * 60 + 1400 = 2900 m\nT = 2900/60 * 18/5 = 174 sec = 2 mins 54 sec",
    "def add(a, b):\n    return a + b\n\nprint(add(2, 3))",
    '#include <stdio.h>\nint main(void) { printf("hi\\n"); return 0; }',
    "SELECT name, COUNT(*) FROM users GROUP BY name HAVING COUNT(*) > 3;",
    "const f = async () => { await fetch(url); };",
    "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]",
    "3f9a8c7be21d44d09a7c6e5f4b3a2d1c0e9f8a7b6c5d4e3f",
    "['Alice', 'Bob', 'Carol', 'Dmitri', 'Svetlana', 'Yuki']",
    "",
]


def trace(answer: str, **query: Any) -> Trace:
    return Trace(Prompt(Query("Translate or explain.", "task", **query)), answer, "model")


def reasons(traces: list[Trace], **config: Any) -> list[str | None]:
    return [reason for _, reason in check_selector(build(LANGUAGE, CONTEXT, **config), traces)]


def test_answers_in_other_languages_are_dropped_and_named() -> None:
    assert reasons([trace(text) for text in SAMPLES.values()]) == [f"in {code}" for code in SAMPLES]


def test_english_is_kept_with_foreign_words_and_names_in_it() -> None:
    assert reasons([trace(text) for text in ENGLISH]) == [None] * len(ENGLISH)


@pytest.mark.parametrize("code", SAMPLES)
def test_an_english_answer_may_quote_its_query(code: str) -> None:
    quoted = SAMPLES[code]
    prompt = Prompt(Query(f"Is this offensive? {quoted}", "task"))
    answer = f'This statement, "{quoted}", speaks of nobody in particular and insults no one. The answer is no.'
    german = f"Das ist harmlos, denn niemand wird hier beleidigt oder verletzt: {quoted}"
    assert reasons([Trace(prompt, answer, "model")]) == [None]
    assert code == "de" or reasons([Trace(prompt, german, "model")]) != [None]


def test_what_is_in_no_language_or_too_short_to_tell_is_kept() -> None:
    assert reasons([trace(text) for text in NO_LANGUAGE]) == [None] * len(NO_LANGUAGE)


def test_any_languages_can_be_wanted() -> None:
    given = [trace(text) for text in [*SAMPLES.values(), ENGLISH[0]]]
    wanted = [code in ("de", "ja") for code in [*SAMPLES, "en"]]
    assert [reason is None for reason in reasons(given, languages=("de", "ja"))] == wanted


@pytest.mark.parametrize("code", SAMPLES)
def test_a_translation_into_the_targets_language_is_kept(code: str) -> None:
    answer = SAMPLES[code]
    assert reasons([trace(answer, target=answer[: len(answer) // 2])]) == [None]
    assert reasons([trace(answer, target=ENGLISH[0])]) == [f"in {code}"]


def test_a_target_that_tells_no_language_excuses_none() -> None:
    given = [trace(SAMPLES["de"], target=target) for target in ("yes", "42", "(B)", "Paris")]
    assert reasons(given) == ["in de"] * 4


def test_a_target_in_any_of_the_wanted_languages_is_no_excuse_for_a_similar_one() -> None:
    portuguese = "O comboio já partiu, por isso hoje preferimos apanhar o autocarro até à estação."
    given = [trace(portuguese, target=SAMPLES["es"]), trace(portuguese, target=portuguese)]
    assert reasons(given, languages=("es", "zh")) == ["in pt", None]


def test_choices_in_the_answers_language_excuse_it_where_the_target_is_a_letter() -> None:
    choices = ("auf den Bahnhof", "in die Schule", "nach Hause")
    assert reasons([trace(SAMPLES["de"], target="(A)", choices=choices)]) == [None]
    assert reasons([trace(SAMPLES["de"], target="(A)", choices=("to the station", "home"))]) == ["in de"]


def test_a_short_word_in_another_script_is_target_enough() -> None:
    assert reasons([trace(SAMPLES["ja"], target="はい")]) == [None]


def test_long_answers_are_judged_by_both_ends() -> None:
    long = " ".join([SAMPLES["de"]] * 40)
    assert reasons([trace(long), trace(" ".join(ENGLISH * 40))]) == ["in de", None]


def test_confidence_and_letters_are_knobs() -> None:
    given = [trace("Guten Morgen, lieber Nachbar, wie geht es Ihnen?")]
    assert reasons(given) == ["in de"]
    assert reasons(given, min_letters=100) == [None]
    assert reasons(given, confidence=1.0) == [None]


def test_an_unknown_language_is_an_error_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="no language 'eng'; did you mean 'en'"):
        LANGUAGE.config(languages=("eng",))


def test_of_real_english_explanations_one_in_thousands_is_dropped(shared: Path) -> None:
    lines = [line for file in sorted(shared.glob("flan_cot/*.tsv")) for line in file.read_text("utf-8").split("\n")]
    given = [trace(line.split("\t")[2]) for line in lines if line.count("\t") == 2][::3]
    dropped = [reason for reason in reasons(given) if reason]
    assert len(given) > 11_000
    assert len(dropped) <= 2


def translations(path: Path) -> Iterator[tuple[str, str]]:
    """The language that a task asks for, and its gold translation."""
    codes = {"Spanish": "es", "Italian": "it", "French": "fr", "German": "de", "Polish": "pl", "Japanese": "ja",
             "Persian": "fa", "Arabic": "ar", "Hebrew": "he", "Galician": "gl", "Hindi": "hi"}  # fmt: skip
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        wanted = re.search(r"[Tt]ranslat[^.]*? (?:to|into|in) (?:the )?([A-Z][a-z]+)", row["definition"])
        if "translation" in row["task"] and wanted and wanted[1] in codes and "pib" not in row["task"]:
            yield codes[wanted[1]], row["output"]


def test_real_translations_are_dropped_without_their_target_and_kept_with_it(shared: Path) -> None:
    given = [(code, text) for code, text in translations(shared / "niv2_examples.jsonl") if len(text) >= 40]
    assert len(given) > 60
    alone = reasons([trace(text) for _, text in given])
    assert sum(reason is not None for reason in alone) >= 0.95 * len(given)
    assert reasons([trace(text, target=text) for _, text in given]) == [None] * len(given)
