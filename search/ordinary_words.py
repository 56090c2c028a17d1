"""What people ordinarily say about pictures: a text that fits a picture fits it better than most of these do.

Each line is one text. Things alone are not enough: what a network makes of colours, counts, places and moods lies
elsewhere, and words of one kind only would make all others look like a good fit, or like none.
"""

from __future__ import annotations

_THINGS = """
a man; a woman; a child; a baby; a group of people; a crowd; a portrait; a face; a hand; a dog; a cat; a horse; a cow;
a bird; a fish; an insect; a butterfly; a wild animal; a tree; a forest; a flower; leaves; grass; a garden; fruit;
vegetables; bread; a meal on a table; a cake; a cup of coffee; a bottle; a house; a church; a castle; a bridge; a tower;
a street; a shop; a kitchen; a bedroom; an office; a window; a door; stairs; a chair; a bed; a lamp; a clock; a book;
a newspaper; a letter; a map; a poster; a drawing; a painting; a cartoon; a logo; a chart; a screenshot; a photograph;
a telephone; a computer; a keyboard; a machine; a tool; a toy; a ball; a guitar; clothes; shoes; a hat; a bag;
a car; a bus; a train; an aeroplane; a ship; a boat; a bicycle; a motorcycle; a road; a railway; a traffic sign; a flag
"""
_PLACES = """
the sea; a beach; a lake; a river; a waterfall; mountains; a hill; a desert; a field; a farm; a park; a city; a village;
a market; a station; an airport; a harbour; a stadium; a school; a museum; a restaurant; indoors; outdoors; under water;
the sky; clouds; the moon; stars in the sky; the sun; fire; smoke; snow; ice; rain; fog; sand; rocks
"""
_DOINGS = """
somebody running; somebody sleeping; somebody reading; people eating; people dancing; children playing; a football game;
swimming; skiing; a concert; a wedding; a party; a parade; somebody working; somebody speaking; an animal eating
"""
_LOOKS = """
something red; something orange; something yellow; something green; something blue; something purple; something pink;
something brown; something white; something black; something grey; black and white; many colours; a circle; a square;
a triangle; a star; a cross; a line; a pattern; stripes; text; numbers; one thing; two things; three things;
many things;
something large; something small; something old; something new; something round; something made of wood;
something made of metal; something made of glass; by day; at night; in the morning; in the evening; on the left;
on the right; in the middle; at the top; at the bottom; in the foreground; in the background; seen from above; close by;
far away; blurred; dark; bright; empty; colourful; beautiful; funny; sad
"""
ORDINARY_WORDS: tuple[str, ...] = tuple(
    " ".join(words.split()) for part in (_THINGS, _PLACES, _DOINGS, _LOOKS) for words in part.split(";")
)
