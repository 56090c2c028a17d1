"""Every address of the site. Apps above the gallery are named by strings only."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path, re_path

from gallery import views, word_views

urlpatterns = [
    path("", views.browse, name="browse"),
    path("image/<int:pk>/", views.image_page, name="image"),
    path("image/<int:pk>/original/", views.original, name="original"),
    path("image/<int:pk>/trash/", views.trash, name="trash"),
    path("image/<int:pk>/restore/", views.restore, name="restore"),
    path("image/<int:pk>/tags/", word_views.add_tag, name="add_tag"),
    path("image/<int:pk>/tags/<int:tag>/accept/", word_views.accept_tag, name="accept_tag"),
    path("image/<int:pk>/tags/<int:tag>/reject/", word_views.reject_tag, name="reject_tag"),
    path("image/<int:pk>/captions/", word_views.write_caption, name="write_caption"),
    path("image/<int:pk>/captions/<int:caption>/accept/", word_views.accept_caption, name="accept_caption"),
    path("image/<int:pk>/captions/<int:caption>/reject/", word_views.reject_caption, name="reject_caption"),
    path("image/<int:pk>/words/undo/", word_views.undo, name="undo_words"),
    path("search/", include("search.urls")),
    path("import/", include("ingestion.urls")),
    path("welcome/<str:token>/", views.welcome, name="welcome"),
    path("login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("admin/models/", include("search.networks_urls")),
    path("admin/", admin.site.urls),
    path("justified.css", views.justified_css, name="justified_css"),
    path("favicon.ico", views.favicon),
    path("health/live", views.live, name="live"),
    path("health/ready", views.ready, name="ready"),
    # `manage.py run` mounts this folder in the web server; this route serves every other way to run the site.
    re_path(
        rf"^{settings.RENDITION_URL.strip('/')}/(?P<path>[0-9a-f]{{2}}/[0-9a-f]{{2}}/[0-9a-f]{{64}}-[0-9]{{3,4}}\.webp)\Z",
        views.rendition,
    ),
]
