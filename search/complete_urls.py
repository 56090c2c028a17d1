from django.urls import path

from search import complete_views

urlpatterns = [
    path("complete/", complete_views.complete, name="complete"),
    path("like/<int:pk>/tags/", complete_views.like_by_tags, name="like_by_tags"),
]
