"""The tables of what comes in: jobs, folders, and uploads that wait for a decision."""

from ingestion.models.folders import MAX_FOLDER, Edits, KnownFile, WatchedFolder
from ingestion.models.held import UNDO, HeldQuerySet, HeldUpload, blocks_of, sweep_held
from ingestion.models.jobs import KEEP_DONE, LEASE, MAX_ATTEMPTS, MAX_ERROR, PAUSE, Job, JobQuerySet, worker_name

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
    "WatchedFolder",
    "blocks_of",
    "sweep_held",
    "worker_name",
]
