from django.urls import path

from ingestion import candidate_views, moderation_views

urlpatterns = [
    path("", moderation_views.moderation_page, name="moderation"),
    path("decide/", moderation_views.decide, name="decide"),
    path("undo/", moderation_views.undo_last, name="undo_last_decision"),
    path("log/", candidate_views.decision_log, name="decision_log"),
    path("log/<int:pk>/undo/", moderation_views.undo_decision, name="undo_decision"),
    path("<str:token>/", candidate_views.candidate_page, name="candidate"),
    path("<str:token>/thumbnail/", candidate_views.candidate_thumbnail, name="candidate_thumbnail"),
    path("<str:token>/picture/", candidate_views.candidate_picture, name="candidate_picture"),
    path("<str:token>/neighbours/", candidate_views.candidate_neighbours, name="candidate_neighbours"),
]
