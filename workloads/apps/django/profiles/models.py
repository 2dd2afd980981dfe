from django.db import models


class Profile(models.Model):
    name = models.TextField()

    class Meta:
        db_table = "profiles"
