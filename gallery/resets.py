"""Mail with a link for a new password."""

from __future__ import annotations

from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode


def reset_path(user: AbstractBaseUser) -> str:
    """Good once, until the password changes or its owner signs in, for three days at most."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("new_password", args=[uid, default_token_generator.make_token(user)])


def mail_reset(mail: str, host: str, secure: bool) -> None:
    """To everybody with this address, an active account and a password. What fails is written to the log."""
    form = PasswordResetForm({"email": mail})
    if form.is_valid():
        form.save(
            domain_override=host,
            use_https=secure,
            subject_template_name="gallery/mail_reset_subject.txt",
            email_template_name="gallery/mail_reset.txt",
        )
