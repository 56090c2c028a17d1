"""What watermarks say."""

from __future__ import annotations

from random import Random

_SYLLABLES = (
    *("an", "bel", "car", "do", "er", "fi", "gra", "ha", "in", "jo", "ka", "li", "mar", "no", "or", "pe", "qua", "ri"),
    *("sa", "to", "ul", "ver", "win", "xa", "yo", "zen", "sky", "pix", "art", "sun"),
)
_ENDINGS = (".com", ".net", ".org", ".de", ".co.uk", ".photo", ".io", ".ru", ".com.cn")
_TRADES = ("photography", "Photo", "images", "Studio", "Fotografie", "pictures", "Art", "Design", "Stock", "Media")
_WARNINGS = ("SAMPLE", "PREVIEW", "PROOF", "COPYRIGHT", "DO NOT COPY", "DRAFT", "Watermark", "TRIAL", "For review only")


def name(random: Random) -> str:
    """ "Marvel": letters in an order that a name could have."""
    return "".join(random.choice(_SYLLABLES) for _ in range(random.randint(2, 4))).capitalize()


def words(random: Random) -> str:
    """One line."""
    makers = (_owner, _owner, _site, _site, _credit, _trade, _warning, _handle, _number, _date)
    said = random.choice(makers)(random)
    return random.choice((said, said, said, said.upper(), said.lower()))


def _owner(random: Random) -> str:
    sign = random.choice(("©", "(c)", "Copyright", "©", "Copyright ©"))
    year = random.choice(("", f" {random.randint(1998, 2030)}"))
    return f"{sign}{year} {name(random)} {random.choice(('', name(random)))}".strip()


def _site(random: Random) -> str:
    return f"{random.choice(('www.', '', '', 'http://'))}{name(random).lower()}{random.choice(_ENDINGS)}"


def _credit(random: Random) -> str:
    return f"{random.choice(('Photo by', 'photo:', 'by', 'Foto'))} {name(random)} {name(random)}"


def _trade(random: Random) -> str:
    return f"{name(random)} {random.choice(_TRADES)}"


def _warning(random: Random) -> str:
    return random.choice(_WARNINGS)


def _handle(random: Random) -> str:
    return f"@{name(random).lower()}{random.choice(('', '_', str(random.randint(1, 99))))}"


def _number(random: Random) -> str:
    return f"{name(random)} {random.randint(1000, 99_999_999)}"


def _date(random: Random) -> str:
    day, month, year = random.randint(1, 28), random.randint(1, 12), random.randint(1998, 2030)
    return random.choice(
        (f"{day:02}.{month:02}.{year}", f"{month:02}/{day:02}/{year}", f"'{year % 100:02} {month} {day}")
    )
