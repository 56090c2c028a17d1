"""Every ``code`` that the API refuses with, and what it means: for the document, the page about it, and programs."""

from __future__ import annotations

CODES = {
    # what was sent
    "invalid": "422: a field is missing, unknown, or is not what it should be; the sentence names it.",
    "empty": "400, 422: nothing came where something was needed.",
    "query": "400: the query cannot be read or answered; often with what may be meant.",
    "cursor": "400: the cursor was changed, or belongs to another question.",
    "broken": "400: the body was broken off, or is not what its Content-Type says; 422: an address broke off.",
    "error": "500: a fault of this gallery; its log says which.",
    "options": "422: options of the filters that make no sense.",
    "scores": "422: a file of scores that cannot be read, with its line.",
    "kind": "409, 422: there is no source of this kind.",
    "method": "405: the address takes other methods; the header Allow says which.",
    "unsupported_type": "415: a file or body of a type that is not taken.",
    "too_large": "413: more bytes than are taken at once.",
    "too_many_fields": "413: a form with too many fields.",
    "too_many_files": "413: a form with too many files.",
    "too_many": "429: too much in a short time; Retry-After says when to come back. 409, 413: more than there may be.",
    # pictures
    "corrupt": "422: the picture is damaged or cut off.",
    "too_many_pixels": "422: the picture is larger than this gallery takes.",
    "too_complex": "422: too many frames, layers or scans.",
    "storage": "507: the disk of the gallery is full, or does not answer.",
    # addresses that the gallery was to fetch
    "bad_url": "400: this is no address of the web.",
    "forbidden_address": "400: addresses inside of this network are never asked.",
    "wrong_type": "415: there is no picture at the address.",
    "cut": "422: the line broke before all was there.",
    "redirects": "422: it leads from one address to the next without end.",
    "timeout": "422: its server did not answer in time.",
    "tls": "422: its server cannot prove who it is.",
    "unreachable": "422: its server cannot be reached.",
    # who asks
    "unauthorized": "401: no token or session, or one that is unknown, expired or revoked.",
    "csrf": "403: a browser's session without its token in the header X-CSRFToken.",
    "scope": "403: the token lacks the scope that this needs.",
    "forbidden": "403: not for your role, or not yours; 422: the server of an address forbids it.",
    # what is there
    "not_found": "404: there is no such thing, or not for you.",
    "gone": "409, 410: it is not there any more; 422: nor is what was at an address.",
    "lost": "409, 410: its file is deleted by now.",
    "missing": "410: the file of a picture that should be there is not.",
    "over": "409, 410: its time is over, or it is done already.",
    "taken": "409: another one of yours has this name.",
    "overtaken": "409: somebody has changed it since you saw it.",
    "decided": "409, 410: somebody has decided this already.",
    "undone": "409: it is undone already, or there is nothing to undo.",
    "nothing": "409: nothing is there that this could be done to.",
    "private": "409: a private picture does not take the place of one that all may see.",
    "trashed": "409: the same picture is in the trash.",
    "paused": "409: the source is paused.",
    "removed": "409: the source was removed.",
    "full": "409: the collection holds as much as it can.",
    "no_preview": "409: nobody has seen what this would do.",
    "preparing": "409: pictures are still being prepared.",
    "not_done": "409: the work is not done yet.",
    "no_room": "507: there is no room on the disk of the gallery to pack this.",
    # the gallery itself
    "busy": "503: others are being served just now; 409: another work on the collection is going on.",
    "database": "503: the database does not answer just now.",
    "not_ready": "503: the gallery is not well; GET /api/health.",
    "refused": "anything else.",
}


def as_table() -> str:
    """In Markdown, by their names."""
    rows = [f"| `{code}` | {CODES[code]} |" for code in sorted(CODES)]
    return "\n".join(["| code | status and meaning |", "|---|---|", *rows])
