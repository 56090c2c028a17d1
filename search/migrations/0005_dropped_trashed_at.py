from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("search", "0004_duplicates"),
    ]

    operations = [
        migrations.AddField(
            model_name="dropped",
            name="trashed_at",
            field=models.DateTimeField(help_text="By this decision: another time means another reason.", null=True),
        ),
    ]
