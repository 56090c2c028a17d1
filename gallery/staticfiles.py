from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Static files under names that hold their hashes, the scripts that other scripts import included."""

    support_js_module_import_aggregation = True
