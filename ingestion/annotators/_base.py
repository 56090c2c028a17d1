"""What an annotator is: it says something about a picture and writes it down."""

from __future__ import annotations

from abc import ABC, abstractmethod

from gallery.models import Image
from gallery.pictures import Picture


class Annotator(ABC):
    @abstractmethod
    def annotate(self, image: Image, picture: Picture) -> None:
        """Describe the picture and save it. Called again for the same image it changes nothing that a person wrote.

        ``picture``: decoded with a longest side of 1600 pixels or less. Whatever it raises is shown with the job.
        """
