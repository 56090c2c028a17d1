from django.urls import path

from ingestion import held_views, views, words_views

urlpatterns = [
    path("", views.import_page, name="import"),
    path("file/", views.upload_file, name="upload_file"),
    path("progress/", views.progress, name="progress"),
    path("folder/", views.add_folder, name="add_folder"),
    path("folder/<int:pk>/remove/", views.remove_folder, name="remove_folder"),
    path("held/", held_views.held_list, name="held"),
    path("held/bar/", held_views.held_bar, name="held_bar"),
    path("held/keep/", held_views.held_keep_all, name="held_keep_all"),
    path("held/drop/", held_views.held_drop_all, name="held_drop_all"),
    path("held/undo/", held_views.held_undo_all, name="held_undo_all"),
    path("held/<str:token>/", held_views.held_one, name="held_one"),
    path("held/<str:token>/picture/", held_views.held_picture, name="held_picture"),
    path("held/<str:token>/compare/", held_views.held_compare, name="held_compare"),
    path("held/<str:token>/keep/", held_views.held_keep, name="held_keep"),
    path("held/<str:token>/replace/", held_views.held_replace, name="held_replace"),
    path("held/<str:token>/drop/", held_views.held_drop, name="held_drop"),
    path("held/<str:token>/undo/", held_views.held_undo, name="held_undo"),
    path("words/", words_views.words, name="words"),
    path("words/line/", words_views.move_line, name="move_line"),
    path("words/line/progress/", words_views.line_progress, name="line_progress"),
    path("words/line/<int:pk>/undo/", words_views.take_back_line, name="take_back_line"),
]
