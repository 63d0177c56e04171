"""Whom and what the problems speak of."""

from __future__ import annotations

from typing import Final

_PERSONS = (
    "Ada Bela Cora Dina Egon Fritz Gus Hedda Ivo Jana Kurt Lena Milo Nora Otto Pia Quinn Rosa Stan Tova Uma Viktor Wanda Xenia "
    "Yara Zeno"
)
PERSONS: Final = tuple(_PERSONS.split())
"""26 first names."""

_PROPERTIES = (
    "able agile alert amber ample aware awful bald bitter black blind blond blue blunt bold bored brave brief bright brisk broad "
    "brown busy calm careful cheap cheerful civil clean clear clever clumsy cold cool crisp cruel curious curly damp daring dark "
    "dear decent deep dirty dizzy dry dull eager early elegant empty faint fair famous fancy fast fierce firm fit flat fond fine "
    "formal frail frank free fresh friendly full funny gentle glad gloomy golden good grand grave great green grey grim happy "
    "hard harsh hasty heavy honest huge humble hungry idle jolly keen kind large late lazy lean light little lively lonely long "
    "loose loud lovely loyal lucky mad mean meek merry mild modest moody narrow neat new nice noble noisy odd old open orange "
    "pale patient plain polite poor pretty proud pure purple quick quiet rare rash ready rich rough round royal rude sad safe "
    "sane secret serious shallow sharp short shy silent silly simple slim slow small smart smooth soft solemn sore sour spotty "
    "steady steep sticky still stiff stout strict strong sturdy sweet swift tall tame tender thick thin tidy tiny tired tough "
    "true ugly upset urgent vague vain valid vast vivid warm wary weak wealthy weary wet white wide wild wise witty yellow young"
)
PROPERTIES: Final = tuple(_PROPERTIES.split())
"""Adjectives, each of which a tokenizer trained on the examples makes one token of."""

FEW_PERSONS: Final = PERSONS[:8]
FEW_PROPERTIES: Final = PROPERTIES[:48]
"""Few enough for a student of a tenth of a million parameters to learn what a copied word is in minutes."""
