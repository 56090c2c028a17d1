from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm
from django.db import connection, transaction

from gallery.models import User
from gallery.welcome import gallery_is_claimed

CLAIM_LOCK = 7343
GOOD = "At least 8 characters: not only digits, not like your name, and nothing that many people use."


def asked_twice(form: forms.Form | forms.ModelForm, first: str, second: str) -> None:
    """The two fields of a new password, in fewer words than Django's."""
    form.fields[first].help_text = GOOD
    form.fields[second].label, form.fields[second].help_text = "The same once more", ""


class WelcomeForm(BaseUserCreationForm):
    class Meta:
        model = User
        fields = ("username",)
        labels: ClassVar = {"username": "Name"}
        help_texts: ClassVar = {"username": "Letters, digits and @ . + - _"}
        widgets: ClassVar = {"username": forms.TextInput(attrs={"autocomplete": "username"})}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        asked_twice(self, "password1", "password2")

    def claim(self) -> User | None:
        """Make the first account; None if another request has just made it."""
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIM_LOCK])
            if gallery_is_claimed():
                return None
            user = self.save(commit=False)
            user.is_staff = user.is_superuser = True
            user.save()
            return user
