from django.urls import path

from search import views

urlpatterns = [
    path("", views.search, name="search"),
    path("colours/", views.colours, name="colours"),
    path("like/<int:pk>/", views.like, name="like"),
    path("strip/<int:pk>/<slug:grade>/", views.strip, name="strip"),
    path("q/<str:token>/", views.query, name="query"),
    path("q/<str:token>/picture/", views.query_picture, name="query_picture"),
    path("q/<str:token>/delete/", views.delete_query, name="delete_query"),
]
