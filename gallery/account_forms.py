"""Forms about accounts: of one's own, of a new one, of tokens and invitations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm, UserCreationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone

from gallery.api_access import ROLES
from gallery.attempts import Attempt
from gallery.forms import asked_twice
from gallery.models import ApiToken, Invitation, Role, Scope, User

WRONG = "This name and this password do not belong together. Small and capital letters differ."
NOT_YOURS = "This is not your password."
WAITS = "This account waits for an admin to approve it. Try again later."
DAYS = {"30": "30 days", "90": "90 days", "365": "a year", "": "until it is revoked"}


class SignInForm(AuthenticationForm):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["username"].label = "Name"
        self.error_messages = self.error_messages | {"invalid_login": WRONG}

    def clean(self) -> dict[str, Any]:
        """TooMany after too many wrong ones. Names that nobody has cost the same time: Django hashes for them too."""
        name = self.cleaned_data.get("username")
        if not name or not self.cleaned_data.get("password"):
            return self.cleaned_data
        assert self.request is not None
        attempt = Attempt(self.request, name)
        try:
            cleaned = super().clean()
        except ValidationError as error:
            if self._waits(name):
                raise ValidationError(WAITS) from error
            attempt.was_wrong()
            raise
        attempt.was_right()
        return cleaned

    def _waits(self, name: str) -> bool:
        """Told only to who knows the password."""
        person = User.objects.waiting().filter(username=name).first()
        return person is not None and person.check_password(self.cleaned_data["password"])


class OwnPassword(forms.Form):
    """For what nobody may do who only finds an open browser. Wrong ones count as wrong sign-ins."""

    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text="To be sure that it is you.",
    )

    def __init__(self, request: HttpRequest, user: User, *args: Any, **options: Any) -> None:
        self.request, self.person = request, user
        super().__init__(*args, **options)
        if not user.has_usable_password():  # who signs in elsewhere has none
            del self.fields["password"]

    def clean_password(self) -> str:
        require_password(self.request, self.person, self.cleaned_data["password"])
        return ""


def require_password(request: HttpRequest, user: User, written: str) -> None:
    """ValidationError, TooMany."""
    attempt = Attempt(request, user.get_username())
    if not user.check_password(written):
        attempt.was_wrong()
        raise ValidationError(NOT_YOURS)
    attempt.was_right()


class DetailsForm(OwnPassword, forms.ModelForm):
    field_order = ("username", "email", "password")

    class Meta:
        model = User
        fields = ("username", "email")
        labels: ClassVar = {"username": "Name", "email": "E-mail"}
        help_texts: ClassVar = {"username": "", "email": "Only admins see it. A new password can be sent there."}
        widgets: ClassVar = {
            "username": forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
            "email": forms.TextInput(attrs={"autocomplete": "email", "inputmode": "email"}),
        }

    def __init__(self, request: HttpRequest, user: User, *args: Any, **options: Any) -> None:
        super().__init__(request, user, *args, instance=User.objects.get(pk=user.pk), **options)

    def clean_username(self) -> str:
        return unlike_others(self.cleaned_data["username"], self.person)


def unlike_others(name: str, person: User) -> str:
    """ValidationError if somebody has this name, in letters of any size."""
    if User.objects.exclude(pk=person.pk).filter(username__iexact=name).exists():
        raise ValidationError("Somebody has this name already.")
    return name


class PasswordForm(PasswordChangeForm):
    def __init__(self, request: HttpRequest, user: User, *args: Any) -> None:
        self.request = request
        super().__init__(user, *args)
        self.fields["old_password"].label = "Your password until now"
        asked_twice(self, "new_password1", "new_password2")

    def clean_old_password(self) -> str:
        require_password(self.request, self.user, self.cleaned_data["old_password"])
        return self.cleaned_data["old_password"]


class NewPasswordForm(SetPasswordForm):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        asked_twice(self, "new_password1", "new_password2")


class SignUpForm(UserCreationForm):
    class Meta:
        model = User
        fields = ("username", "email")
        labels: ClassVar = {"username": "Name", "email": "E-mail (optional)"}
        help_texts: ClassVar = {
            "username": "Letters, digits and @ . + - _",
            "email": "Only admins see it. A new password can be sent there.",
        }
        widgets: ClassVar = {
            "username": forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
            "email": forms.TextInput(attrs={"autocomplete": "email", "inputmode": "email"}),
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        asked_twice(self, "password1", "password2")


class ResetForm(forms.Form):
    email = forms.EmailField(
        label="E-mail", max_length=254, widget=forms.TextInput(attrs={"autocomplete": "email", "inputmode": "email"})
    )


class TokenForm(forms.Form):
    name = forms.CharField(label="Name", max_length=100, help_text="What will use it: “backup script”.")
    scopes = forms.MultipleChoiceField(label="It may", widget=forms.CheckboxSelectMultiple)
    days = forms.ChoiceField(label="It ends after", choices=list(DAYS.items()), initial="90", required=False)

    def __init__(self, user: User, *args: Any, **options: Any) -> None:
        self.user = user
        super().__init__(*args, **options)
        offered = [(s.value, s.label) for s in Scope if ROLES[s] <= user.role]
        self.fields["scopes"].choices = offered  # type: ignore[attr-defined]
        self.fields["scopes"].initial = [Scope.READ.value]

    def issue(self) -> tuple[ApiToken, str]:
        said = self.cleaned_data
        ends = timezone.now() + timedelta(days=int(said["days"])) if said["days"] else None
        return ApiToken.issue(self.user, said["name"], said["scopes"], ends)


class InvitationForm(forms.Form):
    note = forms.CharField(label="For whom", max_length=100, required=False, help_text="Only admins see it.")
    role = forms.TypedChoiceField(label="Role", choices=Role.choices[1:], coerce=int, initial=Role.MEMBER)
    days = forms.IntegerField(label="Good for (days)", min_value=1, max_value=365, initial=7)

    def issue(self, by: User) -> tuple[Invitation, str]:
        said = self.cleaned_data
        return Invitation.issue(by, said["note"], Role(said["role"]), timedelta(days=said["days"]))
