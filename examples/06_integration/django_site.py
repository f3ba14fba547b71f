"""The Django project of 03_django.py in one module: settings, urls, views, and the job they enqueue."""

import os

import django
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from queuack import get_default_queue

FOLDER = os.environ.get("SITE_FOLDER", os.getcwd())
QUEUE = f"{FOLDER}/jobs.duckdb"

if not settings.configured:  # a worker that imports this module for a job finds Django ready, too
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{FOLDER}/site.sqlite3"}},
        ROOT_URLCONF="django_site",
        SECRET_KEY="an example",
    )
    django.setup()


def send_welcome(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO mails VALUES (%s)", [f"welcome, {name}!"])
    return name


def register(request: HttpRequest) -> JsonResponse:
    job = get_default_queue(QUEUE).enqueue(send_welcome, args=(request.GET["name"],))
    return JsonResponse({"job": job}, status=202)


def mails(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT text FROM mails ORDER BY text")
        return HttpResponse(", ".join(row[0] for row in cursor.fetchall()))


urlpatterns = [path("register", register), path("mails", mails)]
