"""The mail server of a gallery, from one address; a typing mistake stops the start."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from gallery.environment import mail_through

FROM = "gallery@example.org"


def test_it_works():
    said = mail_through("smtp://me%40b.example:p%2Fw@mail.example:2525", f"The gallery <{FROM}>")
    assert (said["EMAIL_HOST"], said["EMAIL_PORT"]) == ("mail.example", 2525)
    assert (said["EMAIL_HOST_USER"], said["EMAIL_HOST_PASSWORD"]) == ("me@b.example", "p/w")
    assert (said["EMAIL_USE_TLS"], said["EMAIL_USE_SSL"]) == (True, False)


@pytest.mark.parametrize(
    ("url", "port", "starttls", "tls"),
    [
        ("smtp://mail.example", 587, True, False),
        ("smtps://mail.example", 465, False, True),
        ("smtp://localhost?tls=off", 25, False, False),
        ("smtp://[::1]:26/?tls=off", 26, False, False),
    ],
)
def test_knows_how_each_is_spoken_to(url: str, port: int, starttls: bool, tls: bool):
    said = mail_through(url, FROM)
    assert (said["EMAIL_PORT"], said["EMAIL_USE_TLS"], said["EMAIL_USE_SSL"]) == (port, starttls, tls)


def test_none_is_needed():
    assert mail_through("", "") == {}


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("mail.example", FROM),
        ("http://mail.example", FROM),
        ("smtp://", FROM),
        ("smtp://mail.example:99999", FROM),
        ("smtp://mail.example:x", FROM),
        ("smtp://mail.example/inbox", FROM),
        ("smtp://mail.example?tls=maybe", FROM),
        ("smtps://mail.example?tls=off", FROM),
        ("smtp://me@mail.example", FROM),
        ("smtp://me:pw@mail.example?tls=off", FROM),
        ("smtp://mail.example", ""),
        ("smtp://mail.example", "nobody"),
        ("", FROM),
    ],
)
def test_rejects(url: str, sender: str):
    with pytest.raises(ImproperlyConfigured):
        mail_through(url, sender)
