"""Words of a query become the same words as those of the documents, whatever signs stand around them."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from gallery.models import Image
from search.compiler import compiled
from search.compiling.lexemes import Lexicon, without_signs
from search.language import parse
from search.language.tree import Node, Word
from search.marks import marks_of
from search.wording import wanted
from tests.search.words import picture

pytestmark = pytest.mark.django_db


def found(query: str | Node) -> set[Image]:
    node = parse(query).tree if isinstance(query, str) else query
    return set(Image.objects.filter(compiled(node, AnonymousUser())))


SIGNS = [
    ("the “cat” sleeps", "cat"),
    ("the “cat” sleeps", "“cat”"),
    ("a ‘cat’ sleeps", "cat"),
    ("a cat sleeps", "‘cat’"),
    ("it was a cat…", "cat"),
    ("a cat", "cat…"),
    ("the cat’s tail", "cat"),
    ("the cat's tail", "cat’s"),
    ("•cat", "cat"),
    ("dog\u00a0cat", "cat"),
    ("cat—dog", "dog"),
    ("cat·dog", "cat"),
    ("it’s a dog’s life", "dog"),
    ("¿gato?", "gato"),
    ("un gato", "¿gato?"),
    ("en été", "été"),
    ("l’été", "l'été"),
    ("l'été", "l’été"),
    ("«кошка» спит", "кошка"),
    ("猫。", "猫"),
    ("5€", "5"),
    ("where is the cat", "cat?"),
]


@pytest.mark.parametrize(("text", "word"), SIGNS)
def test_it_works(text, word):
    image = picture(caption=text)
    picture(caption="nothing of this")
    assert found(f"({word})") == found(f"caption:{word}") == {image}
    asked = parse(f"caption:{word}").tree
    (mark,) = marks_of([image.pk], wanted(asked))[image.pk]
    assert "<mark>" in mark.text
    assert mark.plain == text  # with its signs


def test_signs_are_the_same_in_the_database():
    letters = "".join(chr(code) for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000)
    with connection.cursor() as cursor:
        cursor.execute("SELECT gallery_plain(%s)", [letters])
        (plain,) = cursor.fetchone()
    ours = without_signs(letters)
    assert [hex(ord(c)) for c, a, b in zip(letters, plain, ours, strict=True) if a != b] == []


def test_names_of_files_are_found_with_their_ending():
    image = picture(name="sea_and-sun.jpg")
    picture(name="sea.jpg", caption="sea and sun")
    for query in ('title:"sea_and-sun.jpg"', "title:sea_and-sun.jpg", "(sea_and-sun.jpg)", "title:and-sun.jpg"):
        assert found(query) == {image}, query
    assert "<mark>sun</mark>" in str(marks_of([image.pk], [Word("sun.jpg", "title")])[image.pk][0].text)
    assert not found("caption:sun.jpg")


def test_only_the_last_word_is_a_beginning():
    image = picture(caption="san francisco")
    picture(caption="sandy fields"), picture(caption="san antonio")
    assert found("(san-f*)") == {image}
    assert found("(san-t*)") == set()
    assert found("(san-the*)") == set()  # "the*" is no stop word


def test_one_statement_reads_all_words(django_assert_num_queries):
    words = [Word(f"w{n}") for n in range(50)]
    with django_assert_num_queries(1):
        lexicon = Lexicon([*words, Word("the"), Word("run*"), Word("$"), Word("two words", phrase=True)])
    assert lexicon.lexemes(words[7]) == "'w7'"
    assert (lexicon.lexemes(Word("the")), lexicon.is_stop(Word("the"))) == ("", True)
    assert (lexicon.lexemes(Word("$")), lexicon.is_stop(Word("$"))) == ("", False)


def test_no_row_asks_for_the_language():
    sql = str(Image.objects.filter(compiled(parse("(cat) || caption:dog").tree, AnonymousUser())).query)
    assert "gallery_language" not in sql
