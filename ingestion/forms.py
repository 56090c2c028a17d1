from __future__ import annotations

import os
from pathlib import Path

from django import forms
from django.conf import settings
from django.db import transaction

from ingestion.folders import is_made_by_a_gallery
from ingestion.models import MAX_FOLDER, Edits, WatchedFolder


def checked_folder(path: str) -> str:
    """The real path of a folder that can be watched. ValidationError says why not."""
    # os.path, because the methods of Path raise for a name that is too long or a user that does not exist.
    path = os.path.expanduser(path)
    if not os.path.isabs(path):
        raise forms.ValidationError("Write the whole path, from the root: /home/me/Pictures.")
    if not os.path.isdir(path):
        raise forms.ValidationError("There is no such folder on the machine that runs the gallery.")
    if not os.access(path, os.R_OK | os.X_OK):
        raise forms.ValidationError("The gallery is not allowed to read this folder.")
    real = Path(path).resolve()
    if real == Path(real.anchor):
        raise forms.ValidationError("That is the whole machine. Name the folder that holds the pictures.")
    for watched in WatchedFolder.objects.filter(active=True):
        if real != Path(watched.path) and real.is_relative_to(watched.path):
            raise forms.ValidationError(f"It is watched already, as a part of {watched.path}.")
    if real.is_relative_to(settings.MEDIA_ROOT.resolve()) or is_made_by_a_gallery(real):
        raise forms.ValidationError("The gallery keeps its own files in this folder.")
    if len(str(real)) > MAX_FOLDER or not str(real).isprintable():
        raise forms.ValidationError(f"The whole path of this folder must be text of at most {MAX_FOLDER} characters.")
    return str(real)


class FolderForm(forms.Form):
    path = forms.CharField(label="Folder on this server", max_length=MAX_FOLDER)
    edits = forms.ChoiceField(choices=Edits.choices, required=False)

    def clean_path(self) -> str:
        return checked_folder(self.cleaned_data["path"])

    def watch(self) -> WatchedFolder:
        """Watch the folder from now on; the first look-through begins at once."""
        from ingestion.tasks import look_through

        now = {"active": True} | ({"edits": edits} if (edits := self.cleaned_data["edits"]) else {})
        folder, _ = WatchedFolder.objects.update_or_create(path=self.cleaned_data["path"], defaults=now)
        transaction.on_commit(lambda: look_through(folder.pk), robust=True)
        return folder


class WatchedFolderForm(forms.ModelForm):
    """For the admin. A folder that is away now can still be paused."""

    def clean_path(self) -> str:
        path = self.cleaned_data["path"]
        return checked_folder(path) if "path" in self.changed_data else path
