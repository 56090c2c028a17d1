from __future__ import annotations

from django.urls import path

from ingestion import novelty_views as views

urlpatterns = [
    path("", views.novelty, name="novelty"),
    path("train/", views.train_novelty, name="train_novelty"),
    path("<int:pk>/use/", views.use_novelty, name="use_novelty"),
    path("<int:pk>/decline/", views.decline_novelty, name="decline_novelty"),
    path("<int:pk>/propose/", views.propose_novelty, name="propose_novelty"),
]
