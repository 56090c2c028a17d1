from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ingestion", "0003_held")]

    operations = [
        migrations.AddField(model_name="heldupload", name="also", field=models.JSONField(default=list)),
    ]
