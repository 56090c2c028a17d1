"""Rows of equal height without a script: the ratio of a picture becomes a class, the class a rule."""

from __future__ import annotations

import math
import re

from django.test import Client
from hypothesis import example, given
from hypothesis import strategies as st

from gallery.justified import NARROWEST, STEP, WIDEST, ratio_class, ratio_step, stylesheet

side = st.integers(1, 60_000)

RULES = dict(re.findall(r"\.(\w+)\{--ratio:([\d.]+)\}", stylesheet()))


def test_it_works():
    assert ratio_class(100, 100) == "r0"
    assert RULES["r0"] == "1.000"
    assert ratio_class(3000, 2000) == "r20"
    assert ratio_class(2000, 3000) == "rn20"


@given(side, side)
@example(100, 100)
@example(32, 10)
@example(4, 10)
def test_the_ratio_is_within_one_percent_inside_the_limits(width: int, height: int):
    ratio = min(WIDEST, max(NARROWEST, width / height))
    assert abs(math.exp(ratio_step(width, height) * STEP) / ratio - 1) <= 0.01
    assert abs(float(RULES[ratio_class(width, height)]) / ratio - 1) <= 0.0115  # three decimals more or less


@given(side, side)
@example(1, 60_000)
@example(60_000, 1)
def test_every_picture_has_a_rule(width: int, height: int):
    assert ratio_class(width, height) in RULES


def test_portrait_and_landscape_mirror_each_other():
    assert ratio_step(300, 200) == -ratio_step(200, 300)


def test_the_stylesheet_is_small_and_served(client: Client):
    response = client.get("/justified.css")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/css; charset=utf-8"
    assert "max-age=86400" in response["Cache-Control"]
    assert response.content.decode() == stylesheet()
    assert len(RULES) < 150
    assert len(stylesheet()) < 5_000
