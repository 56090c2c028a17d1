"""What visitors read of the network that has written a word: its label, and nothing of the machine."""

from __future__ import annotations

import pytest
from django.template.loader import render_to_string

from gallery.models import Caption
from search.templatetags.networks import network_label
from tests.networks.made import made
from tests.networks.small_clip import NAME


def test_it_works():
    caption = Caption(text="a dog", origin="clip:ViT-B-16/openai", confidence=0.5, state="suggested")
    said = render_to_string("gallery/_origin.html", {"word": caption})
    assert said.replace("\xa0", " ") == "by CLIP ViT-B-16/openai, 50 % sure, not looked at yet"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("blip:Salesforce/blip-image-captioning-base", "Salesforce/blip-image-captioning-base"),
        ("blip:/srv/gallery/private/mine", "mine"),
        ("blip:../../private/mine", "mine"),
        ("clip:/srv/gallery/private/gone", "CLIP gone"),
        ("nobody:/srv/gallery/private/knows", "knows"),
        ("net:1", "1"),
        ("nobody:", "nobody:"),
        ("palette", "palette"),
    ],
)
def test_it_shows_no_path(name, label):
    assert network_label(name) == label


def test_one_s_own_model_is_called_by_its_folder():
    folder = made("small_clip") / "clip" / NAME.partition(":")[2]
    assert network_label(f"clip:{folder}") == f"CLIP {folder.name}"
