"""The words that the generators draw from, and what belongs to what. Written for this plugin; no word list is copied."""

from __future__ import annotations

_NAMES = (
    "Ada Adele Alba Alexis Alma Amos Anita Arlo Bella Boris Bruno Carla Celia Cora Cyrus Daisy Dallas Dario Delia Dina "
    "Edgar Edith Elena Elias Ella Emil Erin Ernest Esther Ezra Felix Fiona Flora Frank Gemma Gideon Gloria Greta Hazel "
    "Hector Helen Hugo Ida Inga Irene Isaac Ivan Jerry Jim Jonas Judith Julian Karen Kurt Laura Leda Leon Lidia Lucas "
    "Mabel Marco Maya Michael Millie Nadia Nina Nora Olga Oscar Otto Paula Perla Phoebe Quentin Ralph Raymond Rita Roman "
    "Rosa Ruth Ryan Sal Sara Silas Simon Sonia Stella Tamara Theo Tina Ursula Vera Victor Wanda Walter Xenia Yara Zoe"
)
NAMES = tuple(_NAMES.split())
"""People: any of them can occur together in a question."""

FRIENDS = ("Alice", "Bob", "Claire", "Dave", "Eve", "Fred", "Gertrude")
"""The cast of every tracking question, in this order."""

COLOURS = ("red", "blue", "green", "yellow", "orange", "purple", "pink", "black", "white", "brown", "gray", "silver")

BOOKS = (
    "Ulysses", "Frankenstein", "Lolita", "Moby Dick", "The Odyssey", "The Pearl", "Catch-22", "The Great Gatsby", "Emma",
    "The Fellowship of the Ring", "Hound of the Baskervilles", "Dracula", "Walden", "Middlemarch", "Hamlet", "Candide",
)  # fmt: skip

PARTNERS = (
    "Helga", "Lola", "Ophelia", "Rodrigo", "Jamie", "Patrick", "Melissa", "Sam", "Izzi", "Karl", "Bianca", "Diego", "Fay",
    "Holger", "Nadine", "Tomas",
)  # fmt: skip

POSITIONS = (
    "striker", "goalkeeper", "fullback", "benchwarmer", "cheerleader", "left winger", "right winger", "left midfielder",
    "right midfielder", "center midfielder", "sweeper", "center back",
)  # fmt: skip

PLURALS: dict[str, dict[str, str]] = {
    "fruits": {
        "apple": "apples", "apricot": "apricots", "banana": "bananas", "blackberry": "blackberries", "cherry": "cherries",
        "fig": "figs", "grape": "grapes", "kiwi": "kiwis", "lemon": "lemons", "mango": "mangoes", "nectarine": "nectarines",
        "orange": "oranges", "peach": "peaches", "pear": "pears", "plum": "plums", "raspberry": "raspberries",
        "strawberry": "strawberries",
    },
    "vegetables": {
        "cabbage": "cabbages", "carrot": "carrots", "cauliflower": "cauliflowers", "cucumber": "cucumbers",
        "garlic": "garlics", "head of broccoli": "heads of broccoli", "lettuce head": "lettuce heads", "onion": "onions",
        "parsnip": "parsnips", "potato": "potatoes", "radish": "radishes", "stalk of celery": "stalks of celery",
        "turnip": "turnips", "yam": "yams", "zucchini": "zucchinis",
    },
    "musical instruments": {
        "accordion": "accordions", "banjo": "banjos", "cello": "cellos", "clarinet": "clarinets", "drum": "drums",
        "flute": "flutes", "guitar": "guitars", "harp": "harps", "oboe": "oboes", "piano": "pianos",
        "trombone": "trombones", "trumpet": "trumpets", "tuba": "tubas", "violin": "violins",
    },
    "animals": {
        "bear": "bears", "cat": "cats", "chicken": "chickens", "cow": "cows", "dog": "dogs", "donkey": "donkeys",
        "duck": "ducks", "fish": "fish", "frog": "frogs", "goat": "goats", "horse": "horses", "mouse": "mice", "owl": "owls",
        "pig": "pigs", "rabbit": "rabbits", "sheep": "sheep", "snail": "snails", "snake": "snakes",
    },
    "objects": {
        "bed": "beds", "car": "cars", "chair": "chairs", "clock": "clocks", "couch": "couches", "desk": "desks",
        "fridge": "fridges", "kettle": "kettles", "lamp": "lamps", "microwave": "microwaves", "mirror": "mirrors",
        "oven": "ovens", "stove": "stoves", "table": "tables", "toaster": "toasters",
    },
}  # fmt: skip
"""Things by kind: singular to plural. Everything is an object; the kind ``objects`` holds what is nothing else."""

PLACES = (
    "coffee shop", "soccer field", "restaurant", "art studio", "basketball court", "bakery", "swimming pool", "market",
    "dance studio", "beach", "amusement park", "construction site", "orchestra hall", "art show", "gas station", "park",
    "bookstore", "football field", "physics classroom", "movies", "museum", "clothing store", "ice rink", "zoo", "bank",
)  # fmt: skip

ACTIVITIES = (
    "working out at the gym", "reading at the library", "waiting at the train station", "working at the office",
    "walking in the garden", "buying lunch at the deli", "waiting at the airport", "watching a movie at the theater",
    "attending class at the school", "buying clothes at the mall", "buying cookies at a bakery", "sitting on a rooftop",
    "getting a coffee at the cafe", "driving to the water park", "stretching at a yoga studio", "feeding ducks at the pond",
    "playing tennis at the tennis court", "buying a phone at the electronics store", "painting a fence at the farm",
    "buying a bike at the bike shop", "fixing their computer at the electronic store", "washing the car at the garage",
    "walking towards the Statue of Liberty", "taking photos near the Eiffel Tower", "posting a letter at the post office",
)  # fmt: skip

BIRDS = (
    "blue jay", "cardinal", "crow", "falcon", "finch", "hawk", "hummingbird", "owl", "quail", "raven", "robin", "sparrow",
    "swan", "woodpecker",
)  # fmt: skip

VEHICLES = (
    "bus", "convertible", "hatchback", "jeep", "limousine", "minivan", "motorcycle", "pickup", "sedan", "station wagon",
    "tractor", "trailer", "truck", "van",
)  # fmt: skip

SOLD_FRUITS = (
    "apples", "apricots", "cantaloupes", "cherries", "figs", "kiwis", "lemons", "loquats", "mangoes", "oranges", "peaches",
    "pears", "plums", "watermelons",
)  # fmt: skip

GOLFERS = (
    "Ada",
    "Amy",
    "Ana",
    "Ben",
    "Dan",
    "Eli",
    "Eve",
    "Ian",
    "Joe",
    "Kim",
    "Leo",
    "Max",
    "Mel",
    "Mya",
    "Rob",
    "Sue",
)

_WORDS = (
    "abbey acorn actor adobe agent album alley amber anchor angel ankle apple arbor arch arena arrow ashen atlas attic aunt "
    "bacon badge baker balm banjo barley barn basil basket beacon beard beaver berry birch bishop blanket blossom bonnet "
    "border bottle boulder bramble branch brass bread breeze bridge bronze broom bucket buckle bugle button cabin cable camel "
    "candle canyon carbon cargo carpet castle cedar cellar chalk chapel charm cherry chimney cider cinder circle clever cliff "
    "clover coast cobalt comet copper coral cotton crane crater cricket crimson crown crystal curtain dagger dairy damask "
    "dawn debris decade delta desert diamond dinner dollar dolphin donor dragon drama dream drift drum dusk eagle early earth "
    "easel echo eclipse edge elbow elder elm ember emerald empire engine ermine estate ethic evening fable fabric falcon fancy "
    "farmer feather fern ferry fiber fiddle field finch flame flannel fleet flint flour forest fossil fountain fox frost gable "
    "galaxy garden garnet gate geyser giant ginger glacier globe glove goblet golden grain granite gravel grove guitar gull "
    "hamlet hammer harbor harvest hazel heather hedge helmet herald heron hill hollow honey horizon hostel hunter iceberg idea "
    "igloo indigo inlet iron island ivory jacket jade jasper jelly jewel jolly journal juniper kernel kettle kitten knight "
    "label ladder lagoon lake lantern larch laurel lavender leaf lemon level lilac linen lobster locket lotus lumber lunar "
    "magnet mango maple marble market marsh meadow melody mentor merit meteor mirror mist monarch morning mosaic mountain "
    "museum nature nectar needle nest nickel noble north novel nugget nutmeg oak oasis oat ocean olive onyx opal orange "
    "orbit orchard otter oval oyster paddle palace panther paper parade parsley pasture pearl pebble pepper petal piano pillow "
    "pine pioneer planet plaza plum pocket poet polar pond poplar prairie prism pumpkin puzzle quarry quartz queen quest quill "
    "quilt rabbit radar rain ranger raven reef ribbon ridge river robin rocket rose ruby rustic saddle saffron sailor salmon "
    "sand sapphire satin scarlet school season shadow shell shore silver sketch slate snow solar spark spice spruce stable "
    "stone storm summit sunset swan tablet talon tango temple thistle thunder tiger timber topaz torch tower trail tulip tunnel "
    "turtle twilight umber union urban valley vanilla velvet vessel village violet vista voyage wagon walnut water whale "
    "wheat willow window winter wizard wolf wonder yacht yarn yellow zebra zenith zephyr"
)
WORDS = tuple(_WORDS.split())
"""Words to be sorted."""
