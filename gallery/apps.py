from django.apps import AppConfig
from django.contrib.admin import apps as admin


class GalleryConfig(AppConfig):
    default = True
    name = "gallery"


class BackOfficeConfig(admin.AdminConfig):
    """Django's admin, for admins only."""

    default = False
    default_site = "gallery.back_office.BackOffice"
