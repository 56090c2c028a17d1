"""All settings. Each LOOKALIKE_ variable is explained in the README; a test compares the two."""

import os
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

from gallery.environment import (
    env_bool,
    env_choice,
    env_folders,
    env_hosts,
    env_int,
    env_list,
    env_text,
    mail_through,
    memory_bytes,
    oidc_at,
    postgresql_at,
    secret_from,
)

BASE_DIR = Path(__file__).resolve().parent.parent

# --- what a gallery keeps
VAR = Path(env_text("LOOKALIKE_VAR") or BASE_DIR / "var").resolve()
MEDIA_ROOT = VAR / "media"
INDEX_ROOT = VAR / "indexes"
STATIC_ROOT = VAR / "static"
WEIGHTS = Path(env_text("LOOKALIKE_WEIGHTS") or VAR / "weights").resolve()

# --- what may come in
MAX_BYTES = env_int("LOOKALIKE_MAX_BYTES", 50 * 2**20)
MAX_PIXELS = env_int("LOOKALIKE_MAX_PIXELS", 100_000_000)
MAX_JPEG_SCANS = env_int("LOOKALIKE_MAX_JPEG_SCANS", 100)
MAX_DECODE_SECONDS = env_int("LOOKALIKE_MAX_DECODE_SECONDS", 10)
UPLOADS = env_choice("LOOKALIKE_UPLOADS", "members", ("members", "anyone"))
WATCH = env_folders("LOOKALIKE_WATCH")

# --- who may look, and how much a visitor may ask for
ACCESS = env_choice("LOOKALIKE_ACCESS", "public", ("public", "members", "invite"))
PROXIES = env_int("LOOKALIKE_PROXIES", 0, at_least=0)
SEARCHES_PER_MINUTE = env_int("LOOKALIKE_SEARCHES_PER_MINUTE", 60, at_least=0)
UPLOADS_PER_HOUR = env_int("LOOKALIKE_UPLOADS_PER_HOUR", 300, at_least=0)
MEGABYTES_PER_HOUR = env_int("LOOKALIKE_MEGABYTES_PER_HOUR", 1000, at_least=0)

# --- mail, for those who have forgotten their passwords
EMAIL = env_text("LOOKALIKE_EMAIL")
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env_text("LOOKALIKE_FROM")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL else 'dummy'}.EmailBackend"
globals().update(mail_through(EMAIL, DEFAULT_FROM_EMAIL))

# --- what is fetched from other servers
# Who fetches the picture of an address that is searched with: search asks for it by this name only.
FETCH_PICTURE = "ingestion.by_url.picture_at"
FETCH_HOSTS = env_list("LOOKALIKE_FETCH_HOSTS", "")
CONTACT = env_text("LOOKALIKE_CONTACT")
REDDIT_ID = env_text("LOOKALIKE_REDDIT_ID")
REDDIT_SECRET = env_text("LOOKALIKE_REDDIT_SECRET")
IMGUR_ID = env_text("LOOKALIKE_IMGUR_ID")
FLICKR_KEY = env_text("LOOKALIKE_FLICKR_KEY")

# --- how pictures are compared
KEYPOINTS = env_choice("LOOKALIKE_KEYPOINTS", "sift", ("sift", "hardnet8"))

# Which network fills which role, the best first: the first one whose weights are there (see search/roles.py).
NETWORKS = {
    "clip": [f"clip:{env_text('LOOKALIKE_CLIP', 'ViT-B-16/openai')}"],
    "global_features": [env_text("LOOKALIKE_GLOBAL_FEATURES", "beit:beit_base_patch16_224.in22k_ft_in22k"), "vlad:64"],
    "caption": [f"blip:{env_text('LOOKALIKE_CAPTION', 'Salesforce/blip-image-captioning-base')}"],
    "places": [f"places:{env_text('LOOKALIKE_PLACES', 'resnet50')}"],
    "watermark": [f"watermark:{env_text('LOOKALIKE_WATERMARK', 'small')}"],
    "ocr": [f"tesseract:{env_text('LOOKALIKE_OCR', 'eng')}"],
}
DEVICE = env_choice("LOOKALIKE_DEVICE", "auto", ("auto", "cpu", "cuda"))
IDLE_MINUTES = env_int("LOOKALIKE_IDLE_MINUTES", 10)

# --- how words are searched
# Text search configurations that every PostgreSQL from 15 on has.
TEXT_LANGUAGES = (
    "simple arabic armenian basque catalan danish dutch english finnish french german greek hindi hungarian "
    "indonesian irish italian lithuanian nepali norwegian portuguese romanian russian serbian spanish swedish tamil "
    "turkish yiddish"
)
LANGUAGE = env_choice("LOOKALIKE_LANGUAGE", "english", tuple(TEXT_LANGUAGES.split()))

# --- what is shown
TITLE = env_text("LOOKALIKE_TITLE", "Lookalike")
SHOW_GPS = env_bool("LOOKALIKE_SHOW_GPS", False)
PAGE_SIZE = env_int("LOOKALIKE_PAGE_SIZE", 60)
QUERY_HOURS = env_int("LOOKALIKE_QUERY_HOURS", 24)
TRASH_DAYS = env_int("LOOKALIKE_TRASH_DAYS", 30)

# --- how much of the machine
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WORKERS = env_int("LOOKALIKE_WORKERS", max(1, CORES))
# Python uses one core a process. Each has indexes, decoders and networks of its own: so much memory, and no core more.
WEB_PROCESSES = env_int("LOOKALIKE_WEB_PROCESSES", max(1, min(CORES, 4, memory_bytes() // (4 * 2**30))))
# More threads than this only wait for each other. Who sends or reads slowly holds none of them: gallery/admission.py.
WEB_THREADS = env_int("LOOKALIKE_WEB_THREADS", max(2, CORES // WEB_PROCESSES))
# Addresses that ask the engines: they have threads of their own, so that pages are served beside a flood of searches.
COSTLY = (
    "/search/(?:$|colours/|url/|like/|strips/|q/|feed|saved/[^/]+/feed)|/api/search|/api/images/[0-9]+/similar"
    "|/api/saved/[^/]+/results"
)

# --- Django
DEBUG = env_bool("LOOKALIKE_DEBUG", False)
SECRET_KEY = env_text("LOOKALIKE_SECRET_KEY") or secret_from(VAR / "secret_key")
HOSTS_ARE_NAMED = bool(env_text("LOOKALIKE_HOSTS"))
ALLOWED_HOSTS = env_hosts("LOOKALIKE_HOSTS", "localhost,127.0.0.1,[::1]", mails=bool(EMAIL))
HTTPS = env_bool("LOOKALIKE_HTTPS", False)
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_REDIRECT_EXEMPT = ["^health/"]  # asked by `manage.py run` and by probes, without the proxy in between
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True

ROOT_URLCONF = "gallery.urls"
WSGI_APPLICATION = "gallery.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "browse"

INSTALLED_APPS = [
    "gallery.apps.BackOfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "gallery",
    "search",
    "ingestion",
    "huey.contrib.djhuey",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "gallery.middleware.refuse_nul",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "gallery.access.AccessMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "gallery.middleware.DatabaseAwayMiddleware",
    "gallery.middleware.limit_uploads",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "gallery.context.site",
            ],
        },
    },
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {"environment": "gallery.jinja.environment"},
    },
]

# --- signing in elsewhere: gallery/sso.py
OIDC_ID = env_text("LOOKALIKE_OIDC_ID")
OIDC_SECRET = env_text("LOOKALIKE_OIDC_SECRET")
OIDC_URL = oidc_at(env_text("LOOKALIKE_OIDC_URL"), OIDC_ID, OIDC_SECRET)
OIDC_NAME = env_text("LOOKALIKE_OIDC_NAME", "single sign-on")
OIDC_APPROVED = env_bool("LOOKALIKE_OIDC_APPROVED", False)
if OIDC_URL:
    INSTALLED_APPS += ["allauth", "allauth.account", "allauth.socialaccount"]
    INSTALLED_APPS += ["allauth.socialaccount.providers.openid_connect"]
    MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware"]
    SOCIALACCOUNT_ADAPTER = "gallery.sso.Adapter"
    SOCIALACCOUNT_EMAIL_VERIFICATION = ACCOUNT_EMAIL_VERIFICATION = "none"
    SOCIALACCOUNT_STORE_TOKENS = False

# --- one database, the only truth
DATABASES: dict[str, Any]
if env_text("DATABASE_URL"):
    DATABASES = {"default": postgresql_at(env_text("DATABASE_URL"))}
else:
    DATABASES = {
        "default": {
            "ENGINE": "gallery.database",
            "NAME": "lookalike",
            "CLUSTER": VAR / "postgresql",
            "CONN_MAX_AGE": 600,
        }
    }
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True


def _queue_connection() -> Any:
    """A connection of its own for the queue, made by Django's backend so that the embedded server is started."""
    from django.db import connections

    wrapper = connections["default"].copy()
    wrapper.connect()
    return wrapper.connection


# The queue is a doorbell, not the truth: see ingestion/models.py.
HUEY = {
    "name": "lookalike",
    "huey_class": "huey.PostgresHuey",
    "immediate": False,  # huey would take DEBUG for it
    "results": False,
    "connection": {"connection": _queue_connection, "create_tables": False},
    "consumer": {"workers": WORKERS, "worker_type": "thread", "check_worker_health": True},
}

# --- files
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "gallery.staticfiles.StaticFiles"},
}
RENDITION_URL = "/r/"
FILE_UPLOAD_HANDLERS = ["gallery.originals.IncomingUploadHandler"]
DATA_UPLOAD_MAX_NUMBER_FILES = 100
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_100  # the boxes of a selection (gallery.bulk.MOST), and what else its form holds

# --- safety
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
CSRF_COOKIE_HTTPONLY = True  # scripts of ours read the token in the page
SECURE_REFERRER_POLICY = "same-origin"
AUTH_USER_MODEL = "gallery.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LOG_LEVEL = env_choice("LOOKALIKE_LOG_LEVEL", "WARNING", ("DEBUG", "INFO", "WARNING", "ERROR"))
# Anybody can send nonsense; that must not fill the log with tracebacks. Errors of ours (5xx) are written with theirs.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "huey": {"handlers": ["console"], "level": LOG_LEVEL, "propagate": False},
    },
}
