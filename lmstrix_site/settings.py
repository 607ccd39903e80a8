"""Every setting, flat, driven by environment variables (docs/settings.md lists them)."""

from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
from celery.schedules import crontab
from csp.constants import NONE, SELF

from lmstrix_site import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env.data_dir()
RUN_DIR = env.run_dir(DATA_DIR)

DATABASE_URL = env.address("DATABASE_URL", "", ("postgres", "postgresql", "sqlite"))
REDIS_URL = env.address("REDIS_URL", "", ("redis", "rediss", "unix"))
PUBLIC_URL = env.address("LMSTRIX_PUBLIC_URL", "", ("http", "https"))
HOST = env.text("LMSTRIX_HOST", "127.0.0.1")
PORT = env.port("LMSTRIX_PORT", 8000)
LMSTUDIO_BASE_URL = env.text("LMSTUDIO_BASE_URL", "http://localhost:1234")
LM_API_TOKEN = env.text("LM_API_TOKEN")
REMOTE_TOKEN = env.text("LMSTRIX_REMOTE_TOKEN")  # of another LMStrix, for diff and sync

DEBUG = False
SECRET_KEY = env.secret_key(DATA_DIR, DATABASE_URL)
SECRET_KEY_FALLBACKS = [key for key in env.text("LMSTRIX_SECRET_KEY_FALLBACKS").split(",") if key]
ALLOWED_HOSTS = [
    *(["localhost", "127.0.0.1", "[::1]"]),
    *(host.strip() for host in env.text("LMSTRIX_ALLOWED_HOSTS").split(",") if host.strip()),
    *([urlsplit(PUBLIC_URL).hostname or ""] if PUBLIC_URL else []),
]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_htmx",
    "ninja",
    "lmstrix_site",
    "registry",
    "testing",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "lmstrix_site.static_files.StaticFiles",
    "lmstrix_site.middleware.RefuseUnreadable",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "lmstrix_site.middleware.NoteActor",
]
ROOT_URLCONF = "lmstrix_site.urls"
ASGI_APPLICATION = "lmstrix_site.asgi.application"
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
                "lmstrix_site.context.shell",
            ],
            "builtins": ["registry.templatetags.figures", "registry.templatetags.instruments"],
        },
    }
]

# Databases: SQLite in the data directory, or PostgreSQL by DATABASE_URL.
SQLITE_FILE = DATA_DIR / "lmstrix.sqlite3"
DATABASES = {"default": dj_database_url.parse(DATABASE_URL or f"sqlite:///{SQLITE_FILE}")}
_database = DATABASES["default"]
if _database["ENGINE"].endswith("sqlite3"):
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"
            "PRAGMA journal_size_limit=27103364;PRAGMA cache_size=-8000;"
            # a new connection for each request has an empty cache; the system's own one is shared
            "PRAGMA mmap_size=268435456;PRAGMA analysis_limit=1000;"
        ),
    }
    # a file, not memory: locking is part of what is tested
    _database["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    # a job holds its connection to its end: one for each of the 32 jobs of a command, or the 16 of a worker
    _database["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 40, "timeout": 10}}
    _database["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Who may come in.
AUTH_USER_MODEL = "registry.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "registry/locked_out.html"
AXES_VERBOSE = False

# What a browser may do with our pages.
_https = PUBLIC_URL.startswith("https://")
SECURE_SSL_REDIRECT = _https
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _https
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "lmstrix_session", "lmstrix_csrf"
SESSION_COOKIE_AGE = 30 * 86_400
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 2**20
GATEWAY_BODY_BYTES = env.count("LMSTRIX_GATEWAY_BODY_BYTES", 20 * 10**6)  # of a request to /v1/
UPLOAD_BYTES = 256 * 2**20  # of a file to import; what it unpacks to is bounded where it is read
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000  # a bulk action over 10,000 selected models

# Static files: served as they lie in static/, without a collecting step.
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 300

LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# Celery carries job ids; the Job table is the truth.
SOCKET = RUN_DIR / "v.sock"
REDIS_CLIENT_URL = REDIS_URL or f"unix://{SOCKET}"
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://") or f"redis+socket://{SOCKET}"
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# a broker that is down costs a request nothing: the job stays queued and the reconciler sends it
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_TASK_PUBLISH_RETRY = False
# One worker process with threads: jobs wait on HTTP, and a thread cannot outlive its process.
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = 16

# Leases: how often a running job shows life, when it counts as lost, how often that is looked for.
HEARTBEAT_SECONDS = env.seconds("LMSTRIX_HEARTBEAT_SECONDS", 5)
STALE_SECONDS = env.seconds("LMSTRIX_STALE_SECONDS", 20)
RECONCILE_SECONDS = env.seconds("LMSTRIX_RECONCILE_SECONDS", 15)
SCAN_SECONDS = env.seconds("LMSTRIX_SCAN_SECONDS", 600)
POLL_TICK_SECONDS = 2.0  # how often it is asked which servers are to be looked at; each has its own interval

# Copies of registries: how many daily snapshots are kept, how many days those taken before a change and uploads.
SNAPSHOT_KEEP = env.count("LMSTRIX_SNAPSHOT_KEEP", 14)
SAFETY_SNAPSHOT_DAYS = env.count("LMSTRIX_SAFETY_SNAPSHOT_DAYS", 30)
SNAPSHOT_SECONDS = 600.0  # how often it is looked whether a daily one is due
# The default registry as a file for other programs; empty: none.
MIRROR_FILE = env.file("LMSTRIX_MIRROR_FILE", "~/.lmstrix/models.json")
MIRROR_SECONDS = 30.0
CELERY_BEAT_SCHEDULE = {
    "reconcile": {
        "task": "registry.reconcile",
        "schedule": RECONCILE_SECONDS,
        "options": {"expires": RECONCILE_SECONDS},
    },
    "poll": {"task": "registry.poll", "schedule": POLL_TICK_SECONDS, "options": {"expires": POLL_TICK_SECONDS}},
    "scan": {"task": "registry.scan_all", "schedule": SCAN_SECONDS, "options": {"expires": SCAN_SECONDS}},
    "snapshots": {
        "task": "registry.daily_snapshots",
        "schedule": SNAPSHOT_SECONDS,
        "options": {"expires": SNAPSHOT_SECONDS},
    },
    "webhooks": {"task": "registry.deliver_webhooks", "schedule": 5.0, "options": {"expires": 5.0}},
    "prune": {"task": "registry.prune", "schedule": 3600.0, "options": {"expires": 3600.0}},
    "evict": {"task": "registry.evict", "schedule": 30.0, "options": {"expires": 30.0}},
    # yesterday (UTC) is over, and what came late is in
    "check_rollups": {"task": "registry.check_rollups", "schedule": crontab(hour="1", minute="10")},
    "mirror": {"task": "registry.mirror", "schedule": MIRROR_SECONDS, "options": {"expires": MIRROR_SECONDS}},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(RUN_DIR / "beat-schedule")
# what comes every few seconds leaves no line in the log when it ends well
TICKS = ["registry.poll", "registry.deliver_webhooks", "registry.evict", "registry.mirror", "registry.reconcile"]

LOG_LEVEL = env.choice("LMSTRIX_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = env.choice("LMSTRIX_LOG_FORMAT", "text", ("text", "json"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": "{asctime}{levelname}{name}{message}",
            "style": "{",
        },
    },
    "filters": {"no ticks": {"()": "lmstrix_site.ticks.NoTicks", "tasks": TICKS}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "httpx": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        # request lines would carry the key of a login link
        "uvicorn.access": {"level": "CRITICAL"},
        **{name: {"filters": ["no ticks"]} for name in ("celery.worker.strategy", "celery.app.trace", "celery.beat")},
    },
}
