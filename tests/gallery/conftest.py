from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> None:
    """Half a second for each account is for attackers, not for tests."""
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    PBKDF2PasswordHasher.iterations = 1
