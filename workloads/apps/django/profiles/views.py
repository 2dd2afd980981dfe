"""Profiles behind a cache: cacheops caches the query and drops it on save."""

import json

from django.db import transaction
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods

from profiles.models import Profile


@require_http_methods(["GET", "PUT"])
def profile(request, profile_id):
    if request.method == "GET":
        found = get_object_or_404(Profile, pk=profile_id)
        return JsonResponse({"id": found.pk, "name": found.name})
    with transaction.atomic():
        found = get_object_or_404(Profile.objects.select_for_update(), pk=profile_id)
        found.name = json.loads(request.body)["name"]
        found.save()
    return HttpResponse(status=204)
