"""Addresses of the scores: where their lines are, and what other lines would mean."""

from django.urls import path

from ingestion import replay_views, scores_views

urlpatterns = [
    path("", scores_views.scores, name="scores"),
    path("replay/", replay_views.replay_page, name="replay"),
    path("of/<slug:name>/", scores_views.score_page, name="score"),
    path("of/<slug:name>/draw/", scores_views.draw_cut_off, name="draw_cut_off"),
    path("of/<slug:name>/usual/", scores_views.usual_cut_off, name="usual_cut_off"),
    path("of/<slug:name>/apply/", scores_views.apply_cut_off, name="apply_cut_off"),
]
