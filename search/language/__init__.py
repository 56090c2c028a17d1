"""The language that pictures are asked for in: see tree.py for what can be said."""

from search.language.mistakes import LanguageError
from search.language.parser import parse
from search.language.printer import printed
from search.language.tree import Parsed

__all__ = ["LanguageError", "Parsed", "parse", "printed"]
