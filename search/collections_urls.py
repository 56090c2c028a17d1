from django.urls import path

from search import collection_works_views as works
from search import collections_views as views

urlpatterns = [
    path("", views.collections, name="collections"),
    path("collect/", views.collect, name="collect"),
    path("collect/into/", views.collect_into, name="collect_into"),
    path("<str:token>/", views.collection, name="collection"),
    path("<str:token>/edit/", views.edit_collection, name="edit_collection"),
    path("<str:token>/share/", views.share_collection, name="share_collection"),
    path("<str:token>/delete/", views.delete_collection, name="delete_collection"),
    path("<str:token>/restore/", views.restore_collection, name="restore_collection"),
    path("<str:token>/remove/", works.remove_from_collection, name="remove_from_collection"),
    path("<str:token>/thin/", works.thin_collection, name="thin_collection"),
    path("<str:token>/sample/", works.sample_collection, name="sample_collection"),
    path("<str:token>/export/", works.export_collection, name="export_collection"),
    path("<str:token>/works/<str:work>/", works.collection_work, name="collection_work"),
    path("<str:token>/works/<str:work>/apply/", works.thin_as_seen, name="thin_as_seen"),
    path("<str:token>/works/<str:work>/undo/", works.undo_collection_work, name="undo_collection_work"),
    path("<str:token>/works/<str:work>/stop/", works.stop_collection_work, name="stop_collection_work"),
    path("<str:token>/works/<str:work>/file/", works.collection_file, name="collection_file"),
]
