import os

SECRET_KEY = "of no use"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["cacheops", "profiles"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["DATABASE_HOST"],
        "PORT": os.environ["DATABASE_PORT"],
        "USER": os.environ["DATABASE_USER"],
        "NAME": os.environ["DATABASE_NAME"],
        "CONN_MAX_AGE": None,
    }
}
CACHEOPS_REDIS = os.environ["REDIS_URL"]
CACHEOPS = {"profiles.profile": {"ops": {"get", "fetch"}, "timeout": 300}}
