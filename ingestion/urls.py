from django.urls import path

from ingestion import views

urlpatterns = [
    path("", views.import_page, name="import"),
    path("file/", views.upload_file, name="upload_file"),
    path("progress/", views.progress, name="progress"),
    path("folder/", views.add_folder, name="add_folder"),
    path("folder/<int:pk>/remove/", views.remove_folder, name="remove_folder"),
]
