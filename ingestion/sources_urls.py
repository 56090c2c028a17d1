"""Addresses of the sources: who crawls what, and what came of it."""

from django.urls import path

from ingestion import sources_views as views

urlpatterns = [
    path("", views.sources, name="sources"),
    path("add/<slug:kind>/", views.add_source, name="add_source"),
    path("add/<slug:kind>/test/", views.test_new, name="test_new_source"),
    path("of/<slug:name>/", views.source_page, name="source"),
    path("of/<slug:name>/edit/", views.edit_source, name="edit_source"),
    path("of/<slug:name>/test/", views.test_source, name="test_source"),
    path("of/<slug:name>/crawl/", views.crawl_now, name="crawl_source"),
    path("of/<slug:name>/pause/", views.pause_source, name="pause_source"),
    path("of/<slug:name>/resume/", views.resume_source, name="resume_source"),
    path("of/<slug:name>/remove/", views.remove_source, name="remove_source"),
    path("of/<slug:name>/bring-back/", views.bring_back_source, name="bring_back_source"),
]
