from django.urls import path

from ingestion import by_url_views

urlpatterns = [path("", by_url_views.search_by_url, name="search_by_url")]
