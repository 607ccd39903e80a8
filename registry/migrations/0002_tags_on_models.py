"""A tag becomes a label on one model, so that an automatic one can say why it was given."""

import django.db.models.deletion
from django.db import migrations, models


def carry_over(apps, schema_editor):
    labels = apps.get_model("registry", "Label")
    tagged = apps.get_model("registry", "LanguageModel").tags.through.objects.filter(tag__custom=True)
    rows = tagged.values_list("languagemodel_id", "tag__name")
    labels.objects.bulk_create([labels(model_id=model, name=name, family="custom") for model, name in rows])


class Migration(migrations.Migration):
    dependencies = [("registry", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Label",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                (
                    "family",
                    models.CharField(
                        choices=[
                            ("architecture", "architecture"),
                            ("size", "size"),
                            ("type", "type"),
                            ("capability", "capability"),
                            ("performance", "performance"),
                            ("custom", "custom"),
                        ],
                        default="custom",
                        max_length=12,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True, default="", help_text="why an automatic tag was given", max_length=300
                    ),
                ),
                (
                    "model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="registry.languagemodel"
                    ),
                ),
            ],
            options={"ordering": ["name"]},
        ),
        migrations.RunPython(carry_over, migrations.RunPython.noop),
        migrations.RemoveField(model_name="languagemodel", name="tags"),
        migrations.DeleteModel(name="Tag"),
        migrations.RenameModel(old_name="Label", new_name="Tag"),
        migrations.AlterField(
            model_name="tag",
            name="model",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="tags", to="registry.languagemodel"
            ),
        ),
        migrations.AddConstraint(
            model_name="tag",
            constraint=models.UniqueConstraint(fields=("model", "name", "family"), name="tag_unique_on_model"),
        ),
        migrations.AddIndex(
            model_name="tag", index=models.Index(fields=["name", "model"], name="registry_ta_name_5c3ea0_idx")
        ),
    ]
