"""Every address of the site. Apps above the gallery are named by strings only."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required as is_open
from django.urls import include, path, re_path

from gallery import bulk_views, history_views, sign_in_views, tag_views, views, word_views
from gallery.api import api
from gallery.renditions import PRIVATE_URL

_RENDITION = r"(?P<path>[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{64}-[0-9]{3,4}\.webp)\Z"

handler400, handler500 = "gallery.error_views.bad_request", "gallery.error_views.server_error"

urlpatterns = [
    path("", views.browse, name="browse"),
    path("image/<int:pk>/", views.image_page, name="image"),
    path("image/<int:pk>/original/", views.original, name="original"),
    path("image/<int:pk>/trash/", views.trash, name="trash"),
    path("image/<int:pk>/restore/", views.restore, name="restore"),
    path("image/<int:pk>/share/", views.share_image, name="share_image"),
    path("image/<int:pk>/tags/", word_views.add_tag, name="add_tag"),
    path("image/<int:pk>/tags/<int:tag>/accept/", word_views.accept_tag, name="accept_tag"),
    path("image/<int:pk>/tags/<int:tag>/reject/", word_views.reject_tag, name="reject_tag"),
    path("image/<int:pk>/captions/", word_views.write_caption, name="write_caption"),
    path("image/<int:pk>/captions/<int:caption>/accept/", word_views.accept_caption, name="accept_caption"),
    path("image/<int:pk>/captions/<int:caption>/reject/", word_views.reject_caption, name="reject_caption"),
    path("image/<int:pk>/words/undo/", word_views.undo, name="undo_words"),
    path("image/<int:pk>/text/<int:text>/accept/", word_views.accept_text, name="accept_text"),
    path("image/<int:pk>/text/<int:text>/reject/", word_views.reject_text, name="reject_text"),
    path("image/<int:pk>/history/", history_views.image_history, name="image_history"),
    path("image/<int:pk>/history/<int:edit>/revert/", history_views.revert_edit, name="revert_edit"),
    path("changes/", history_views.changes, name="changes"),
    path("changes/revert/", history_views.revert_person, name="revert_person"),
    path("changes/<int:batch>/undo/", bulk_views.undo_batch, name="undo_batch"),
    path("select/", bulk_views.select, name="select"),
    path("select/apply/", bulk_views.apply_selection, name="apply_selection"),
    path("tags/", tag_views.tags, name="tags"),
    path("tags/changes/", tag_views.tag_changes, name="tag_changes"),
    path("tags/changes/<int:pk>/", tag_views.tag_progress, name="tag_progress"),
    path("tags/changes/<int:pk>/undo/", tag_views.undo_tag_change, name="undo_tag_change"),
    path("tags/<int:pk>/", tag_views.tag_page, name="tag"),
    path("tags/<int:pk>/preview/", tag_views.preview_tag_change, name="preview_tag_change"),
    path("tags/<int:pk>/change/", tag_views.change_tag, name="change_tag"),
    path("search/", include("search.complete_urls")),
    path("search/url/", include("ingestion.by_url_urls")),
    path("search/", include("search.urls")),
    path("collections/", include("search.collections_urls")),
    path("import/", include("ingestion.urls")),
    path("welcome/<str:token>/", is_open(views.welcome), name="welcome"),
    path("account/", include("gallery.account_urls")),
    path("login/", is_open(sign_in_views.SignIn.as_view()), name="login"),
    *([path("login/elsewhere/", include("gallery.sso"))] if settings.OIDC_URL else []),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("admin/accounts/", include("gallery.accounts_urls")),
    path("admin/models/", include("search.networks_urls")),
    path("admin/sources/", include("ingestion.sources_urls")),
    path("admin/moderation/", include("ingestion.moderation_urls")),
    path("admin/scores/", include("ingestion.scores_urls")),
    path("admin/novelty/", include("ingestion.novelty_urls")),
    path("api/", api.urls),
    path("admin/", admin.site.urls),
    path("justified.css", is_open(views.justified_css), name="justified_css"),
    path("favicon.ico", is_open(views.favicon)),
    path("health/live", is_open(views.live), name="live"),
    path("health/ready", is_open(views.ready), name="ready"),
    # `manage.py run` mounts the folder of a public gallery in the web server; here is every other way to run it.
    re_path(rf"^{settings.RENDITION_URL.strip('/')}/{_RENDITION}", views.rendition),
    re_path(rf"^{PRIVATE_URL.strip('/')}/{_RENDITION}", views.private_rendition),
]
