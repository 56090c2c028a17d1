"""The tables of what comes in: jobs, folders, and uploads that wait for a decision."""

from ingestion.models.folders import MAX_FOLDER, Edits, KnownFile, WatchedFolder
from ingestion.models.held import UNDO, HeldQuerySet, HeldUpload, blocks_of, sweep_held
from ingestion.models.jobs import KEEP_DONE, LEASE, MAX_ATTEMPTS, MAX_ERROR, PAUSE, Job, JobQuerySet, worker_name
from ingestion.models.labels import Label, Template, seed_labels
from ingestion.models.thresholds import Threshold, ThresholdChange

__all__ = [
    "KEEP_DONE",
    "LEASE",
    "MAX_ATTEMPTS",
    "MAX_ERROR",
    "MAX_FOLDER",
    "PAUSE",
    "UNDO",
    "Edits",
    "HeldQuerySet",
    "HeldUpload",
    "Job",
    "JobQuerySet",
    "KnownFile",
    "Label",
    "Template",
    "Threshold",
    "ThresholdChange",
    "WatchedFolder",
    "blocks_of",
    "seed_labels",
    "sweep_held",
    "worker_name",
]
