from __future__ import annotations

import os
from pathlib import Path

from django import forms
from django.db import transaction

from ingestion.models import WatchedFolder


class FolderForm(forms.Form):
    path = forms.CharField(label="Folder on this server", max_length=600)

    def clean_path(self) -> str:
        path = Path(self.cleaned_data["path"]).expanduser()
        if not path.is_absolute():
            raise forms.ValidationError("Write the whole path, from the root: /home/me/Pictures.")
        if not path.is_dir():
            raise forms.ValidationError("There is no such folder on the machine that runs the gallery.")
        if not os.access(path, os.R_OK | os.X_OK):
            raise forms.ValidationError("The gallery is not allowed to read this folder.")
        return str(path.resolve())

    def watch(self) -> WatchedFolder:
        """Watch the folder from now on; the first look-through begins at once."""
        from ingestion.tasks import look_through

        folder, _ = WatchedFolder.objects.update_or_create(
            path=self.cleaned_data["path"], defaults={"active": True}
        )
        transaction.on_commit(lambda: look_through(folder.pk))
        return folder
