"""The gallery as its programs see it. Each line is an operation; the function of that name says what it does."""

from __future__ import annotations

from . import browsing, collections, export, moderation, saved, searching, site, uploads
from .awaiting import Awaiting
from .blocking import Blocking
from .operations import listing, operation


class Operations:
    """What Gallery and AsyncGallery can do."""

    search = operation(searching.search)
    from_image = operation(searching.from_image)
    from_url = operation(searching.from_url)
    from_text = operation(searching.from_text)
    from_colours = operation(searching.from_colours)
    similar = operation(searching.similar)
    engines = operation(searching.engines)

    images = listing(browsing.images)
    image = operation(browsing.image)
    history = operation(browsing.history)
    edit = operation(browsing.edit)
    tag = operation(browsing.tag)
    untag = operation(browsing.untag)
    delete = operation(browsing.delete)
    restore = operation(browsing.restore)
    original = operation(browsing.original)
    download = operation(browsing.download)
    tags = listing(browsing.tags)
    tag_detail = operation(browsing.tag_detail)

    upload = operation(uploads.upload)
    upload_url = operation(uploads.upload_url)
    upload_files = operation(uploads.upload_files)
    upload_folder = operation(uploads.upload_folder)
    upload_state = operation(uploads.upload_state)
    until_ready = operation(uploads.until_ready)
    questions = listing(uploads.questions)
    answer_upload = operation(uploads.answer_upload)
    undo_upload = operation(uploads.undo_upload)
    question_picture = operation(uploads.question_picture)
    jobs = listing(uploads.jobs)
    jobs_of = operation(uploads.jobs_of)
    retry_jobs = operation(uploads.retry_jobs)
    export = operation(export.export)

    saved_searches = listing(saved.saved_searches)
    save_search = operation(saved.save_search)
    saved_results = operation(saved.saved_results)
    change_saved = operation(saved.change_saved)
    delete_saved = operation(saved.delete_saved)
    restore_saved = operation(saved.restore_saved)

    create_collection = operation(collections.create_collection)
    collection = operation(collections.collection)
    change_collection = operation(collections.change_collection)
    delete_collection = operation(collections.delete_collection)
    restore_collection = operation(collections.restore_collection)
    collected = listing(collections.collected)
    add_to_collection = operation(collections.add_to_collection)
    remove_from_collection = operation(collections.remove_from_collection)
    send_scores = operation(collections.send_scores)
    thin_collection = operation(collections.thin_collection)
    sample_collection = operation(collections.sample_collection)
    export_collection = operation(collections.export_collection)
    works = listing(collections.works)
    work = operation(collections.work)
    undo_work = operation(collections.undo_work)
    stop_work = operation(collections.stop_work)
    wait_for = operation(collections.wait_for)
    collections = listing(collections.collections)  # the last one: from here on the name is the method

    candidates = listing(moderation.candidates)
    pending = listing(moderation.pending)
    candidate = operation(moderation.candidate)
    candidate_picture = operation(moderation.candidate_picture)
    candidate_thumbnail = operation(moderation.candidate_thumbnail)
    candidate_scores = operation(moderation.candidate_scores)
    try_line = operation(moderation.try_line)
    draw_line = operation(moderation.draw_line)
    forget_line = operation(moderation.forget_line)
    apply_line = operation(moderation.apply_line)
    accept = operation(moderation.accept)
    reject = operation(moderation.reject)
    skip = operation(moderation.skip)
    decisions = listing(moderation.decisions)
    undo_decision = operation(moderation.undo_decision)
    filter = operation(moderation.filter)

    sources = listing(moderation.sources)
    source_kinds = operation(moderation.source_kinds)
    source = operation(moderation.source)
    add_source = operation(moderation.add_source)
    try_source = operation(moderation.try_source)
    change_source = operation(moderation.change_source)
    crawl_source = operation(moderation.crawl_source)
    pause_source = operation(moderation.pause_source)
    resume_source = operation(moderation.resume_source)
    remove_source = operation(moderation.remove_source)
    restore_source = operation(moderation.restore_source)

    about = operation(site.about)
    me = operation(site.me)
    health = operation(site.health)


class Gallery(Operations, Blocking):
    """A gallery at an address: ``Gallery("http://localhost:8000", token)``. Each method waits for its answer.

    ``token``: made on the page of your account; without one you are a visitor. ``timeout``: seconds without a sign of
    the gallery. ``retries``: how often something is sent again that was refused for the moment, or broke.
    Close it, or use it in ``with``.
    """


class AsyncGallery(Operations, Awaiting):
    """The same for asyncio: methods are awaited, and what Gallery iterates over is iterated over with ``async for``."""
