from django.http import HttpResponse
from django.urls import path

from profiles.views import profile

urlpatterns = [
    path("health", lambda request: HttpResponse("ok")),
    path("profiles/<int:profile_id>", profile),
]
