from django.urls import path

from search import networks_views as views

urlpatterns = [
    path("", views.models, name="models"),
    path("switch/", views.model_switch, name="model_switch"),
    path("switch/begin/", views.switch_model, name="switch_model"),
    path("fetch/", views.fetch_model, name="fetch_model"),
    path("fetch/cancel/", views.cancel_fetch, name="cancel_fetch"),
    path("<int:pk>/roll-back/", views.roll_back_model, name="roll_back_model"),
    path("<int:pk>/stop/", views.stop_model, name="stop_model"),
    path("<int:pk>/go-on/", views.go_on_model, name="go_on_model"),
    path("<int:pk>/try-again/", views.try_model_again, name="try_model_again"),
]
