from django.urls import path

from search import duplicate_history_views, duplicate_views, evidence_views, views

urlpatterns = [
    path("", views.search, name="search"),
    path("colours/", views.colours, name="colours"),
    path("like/<int:pk>/", views.like, name="like"),
    path("like/<int:pk>/match/<int:other>/", evidence_views.like_match, name="like_match"),
    path("like/<int:pk>/match/<int:other>/warped.webp", evidence_views.like_overlay),
    path("strips/<int:pk>/", views.strips, name="strips"),
    path("q/<str:token>/", views.query, name="query"),
    path("q/<str:token>/picture/", views.query_picture, name="query_picture"),
    path("q/<str:token>/delete/", views.delete_query, name="delete_query"),
    path("q/<str:token>/match/<int:pk>/", evidence_views.query_match, name="query_match"),
    path("q/<str:token>/match/<int:pk>/warped.webp", evidence_views.query_overlay),
    path("duplicates/", duplicate_views.duplicates, name="duplicates"),
    path("duplicates/progress/", duplicate_views.duplicates_progress, name="duplicates_progress"),
    path("duplicates/same-bytes/", duplicate_views.duplicate_bytes, name="duplicate_bytes"),
    path("duplicates/<int:pk>/", duplicate_views.duplicate_group, name="duplicate_group"),
    path("duplicates/<int:pk>/row/", duplicate_views.duplicate_row, name="duplicate_row"),
    path("duplicates/<int:pk>/outcome/", duplicate_views.duplicate_outcome, name="duplicate_outcome"),
    path("duplicates/<int:pk>/merge/", duplicate_views.merge_duplicates, name="merge_duplicates"),
    path("duplicates/<int:pk>/dismiss/", duplicate_views.dismiss_duplicates, name="dismiss_duplicates"),
    path("duplicates/decision/<int:pk>/undo/", duplicate_views.undo_merge, name="undo_merge"),
    path("duplicates/dismissal/<uuid:batch>/undo/", duplicate_views.undo_dismissal, name="undo_dismissal"),
    path("duplicates/rules/", duplicate_history_views.duplicate_rules, name="duplicate_rules"),
    path("duplicates/rules/apply/", duplicate_history_views.apply_rule, name="apply_rule"),
    path("duplicates/rules/<uuid:run>/undo/", duplicate_history_views.undo_run, name="undo_run"),
    path("duplicates/history/", duplicate_history_views.duplicate_history, name="duplicate_history"),
]
