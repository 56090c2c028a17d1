"""The tables of what comes in: jobs, folders, uploads that wait for a decision, sources and their candidates."""

from ingestion.models.candidates import Candidate, CandidateQuerySet, KnownUrl, Server
from ingestion.models.folders import MAX_FOLDER, Edits, KnownFile, WatchedFolder
from ingestion.models.held import UNDO, HeldQuerySet, HeldUpload, blocks_of, sweep_held
from ingestion.models.jobs import KEEP_DONE, LEASE, MAX_ATTEMPTS, MAX_ERROR, PAUSE, Job, JobQuerySet, worker_name
from ingestion.models.labels import Label, Template, seed_labels
from ingestion.models.moderation import Ban, CutOff, Decision, DecisionStep
from ingestion.models.novelty import NoveltyModel
from ingestion.models.sources import CRAWL_LEASE, KEEP_CRAWLS, Crawl, Source
from ingestion.models.thresholds import Threshold, ThresholdChange

__all__ = [
    "CRAWL_LEASE",
    "KEEP_CRAWLS",
    "KEEP_DONE",
    "LEASE",
    "MAX_ATTEMPTS",
    "MAX_ERROR",
    "MAX_FOLDER",
    "PAUSE",
    "UNDO",
    "Ban",
    "Candidate",
    "CandidateQuerySet",
    "Crawl",
    "CutOff",
    "Decision",
    "DecisionStep",
    "Edits",
    "HeldQuerySet",
    "HeldUpload",
    "Job",
    "JobQuerySet",
    "KnownFile",
    "KnownUrl",
    "Label",
    "NoveltyModel",
    "Server",
    "Source",
    "Template",
    "Threshold",
    "ThresholdChange",
    "WatchedFolder",
    "blocks_of",
    "seed_labels",
    "sweep_held",
    "worker_name",
]
