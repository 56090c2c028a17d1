from __future__ import annotations

from typing import ClassVar

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm
from django.db import connection, transaction

from gallery.models import User
from gallery.welcome import gallery_is_claimed

CLAIM_LOCK = 7343


class WelcomeForm(BaseUserCreationForm):
    class Meta:
        model = User
        fields = ("username",)
        widgets: ClassVar = {"username": forms.TextInput(attrs={"autocomplete": "username"})}

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
