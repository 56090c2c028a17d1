"""The command line: ``python -m search.client``, or ``lookalike`` where the client is installed alone."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import printing
from .answers import Answer, Image, Upload
from .errors import Forbidden, GalleryError, Unauthorized, Unavailable, Unreachable, mistake
from .gallery import Gallery
from .uploads import Described

DONE, REFUSED, USAGE, AWAY, NOT_ALLOWED, STOPPED = 0, 1, 2, 3, 4, 130
HELP = f"""
The gallery is at --url or LOOKALIKE_URL; the token, best in LOOKALIKE_TOKEN (others see a command line), is made on
the page of your account. Exit codes: {DONE} done, {REFUSED} refused (for uploads: at least one), {USAGE} wrong usage,
{AWAY} the gallery is away, {NOT_ALLOWED} not allowed, {STOPPED} stopped by Ctrl-C.
"""
LETTER = 80
"""Of a query as it is shown while it runs."""


@dataclass
class Run:
    """One command: what was asked, of which gallery, and where the answer goes."""

    gallery: Gallery
    asked: argparse.Namespace

    def show(self, value: Any, lines: Sequence[str]) -> None:
        if self.asked.json:
            print(printing.as_json(value))
        else:
            for line in lines:
                print(line)

    def said(self, sentence: str) -> None:
        """How far it is: only to somebody who looks."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{printing.plain(sentence)[:LETTER]}")
            sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    written = list(sys.argv[1:] if arguments is None else arguments)
    url, token = (os.environ.get(name, "") for name in ("LOOKALIKE_URL", "LOOKALIKE_TOKEN"))
    usual = argparse.Namespace(url=url, token=token, json=False)
    asked = parser().parse_args(printing.with_signs(written), usual)
    try:
        if not asked.url:
            raise mistake("Where is the gallery? Give --url, or set LOOKALIKE_URL.")
        with Gallery(asked.url, asked.token or None) as gallery:
            code = asked.run(Run(gallery, asked))
            sys.stdout.flush()
            return int(code or DONE)
    except GalleryError as error:
        print(printing.plain(str(error)), file=sys.stderr)
        return code_of(error)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # somebody has seen enough: | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        print(printing.plain(f"{error.strerror or error}: {error.filename or ''}".rstrip(": ") + "."), file=sys.stderr)
        return REFUSED


def code_of(error: GalleryError) -> int:
    if error.code == "mistake":
        return USAGE
    if isinstance(error, Unreachable | Unavailable):
        return AWAY
    return NOT_ALLOWED if isinstance(error, Unauthorized | Forbidden) else REFUSED


# --- what can be asked
def parser() -> argparse.ArgumentParser:
    everywhere = argparse.ArgumentParser(add_help=False)
    for name, says in {"--url": "address of the gallery", "--token": "token of your account"}.items():
        everywhere.add_argument(name, default=argparse.SUPPRESS, help=says)
    everywhere.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="for programs")
    says = "Ask a Lookalike gallery."
    top = argparse.ArgumentParser("lookalike", description=says, epilog=HELP, parents=[everywhere])
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[Run], int | None], says: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=says, description=says, parents=[everywhere])
        made.set_defaults(run=run)
        return made

    one = add("similar", similar, "Pictures like a file, an http address, or a number of the gallery.")
    one.add_argument("picture")
    one.add_argument("--box", default="", help="x,y,width,height of the part that is meant, 0..1")
    _narrowing(one)
    one = add("text", text, "Pictures that words describe.")
    one.add_argument("words", nargs="+")
    _narrowing(one)
    one = add("search", search, "Pictures that fit a query of the query language, with colours if wanted.")
    one.add_argument("query", nargs="*")
    one.add_argument("--colours", default="", help="comma separated hex")
    _narrowing(one)
    _bringing(add("upload", upload, "Bring files, or folders with all in them."))
    _taking(
        add("export", export, "Write all pictures of a query into a folder, with images.jsonl; goes on where it was.")
    )
    add("get", get, "What is known of one picture.").add_argument("id", type=int)
    one = add("tag", tag, "Add and take off tags: tag 7 +beach +'red car' -rain")
    one.add_argument("id", type=int)
    one.add_argument("changes", nargs="+", metavar="+TAG|-TAG")
    add("me", me, "Who you are to the gallery.")
    return top


def _narrowing(one: argparse.ArgumentParser) -> None:
    one.add_argument("-k", type=int, default=20, help="how many (20)")
    one.add_argument("--engines", default="", help="comma separated")
    one.add_argument("--least", type=float, help="least score, 0..1")
    one.add_argument("--weak", action="store_true", help="also what is probably nothing")
    one.add_argument("--explain", action="store_true", help="what each engine saw (with --json)")
    if not one.prog.endswith(" search"):
        one.add_argument("-q", default="", help="only pictures that fit this query")


def _bringing(one: argparse.ArgumentParser) -> None:
    one.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    one.add_argument("--private", action="store_true", help="only you see them")
    one.add_argument("--tags", default="", help="comma separated")
    one.add_argument("--jobs", type=int, default=2)


def _taking(one: argparse.ArgumentParser) -> None:
    one.add_argument("query")
    one.add_argument("folder", type=Path)
    one.add_argument("--size", type=int, help="a WebP copy with about so many pixels on its longest side")
    one.add_argument("--limit", type=int)
    one.add_argument("--jobs", type=int, default=4)


# --- what is done
def similar(run: Run) -> None:
    picture, asked = run.asked.picture, run.asked
    which: dict[str, Any] = {"picture": picture}
    if picture.startswith(("http://", "https://")):
        which = {"url": picture}
    elif picture.isascii() and picture.isdecimal() and not Path(picture).exists():
        which = {"id": int(picture)}
    _found(run, run.gallery.search(**which, box=asked.box, q=asked.q, **_narrowed(asked)))


def text(run: Run) -> None:
    _found(run, run.gallery.from_text(" ".join(run.asked.words), q=run.asked.q, **_narrowed(run.asked)))


def search(run: Run) -> None:
    query = " ".join(run.asked.query)
    _found(run, run.gallery.search(q=query, colours=run.asked.colours, **_narrowed(run.asked)))


def upload(run: Run) -> int:
    asked, came = run.asked, list[Upload]()

    def progress(done: int, of: int, one: Upload) -> None:
        run.said(f"{done} of {of}: {one.path}")

    said: Described = {"private": True} if asked.private else {}
    said["tags"] = asked.tags
    for folder in [path for path in asked.paths if path.is_dir()]:
        came += run.gallery.upload_folder(folder, jobs=asked.jobs, progress=progress, **said)
    files = [path for path in asked.paths if not path.is_dir()]
    came += run.gallery.upload_files(files, jobs=asked.jobs, progress=progress, **said)
    run.said("")
    run.show(came, printing.table(printing.uploaded(one) for one in came))
    return REFUSED if any(one.state == "failed" for one in came) else DONE


def export(run: Run) -> None:
    asked = run.asked

    def progress(count: int, image: Image) -> None:
        run.said(f"{count}: {image.name}")

    done = run.gallery.export(
        asked.query,
        asked.folder,
        size=asked.size or "original",
        limit=asked.limit,
        jobs=asked.jobs,
        progress=progress,
    )
    run.said("")
    gone = f"; {len(done.gone)} are gone" if done.gone else ""
    run.show(done, [f"{done.pictures} pictures are in {done.folder}, {done.written} of them new{gone}."])


def get(run: Run) -> None:
    image = run.gallery.image(run.asked.id)
    run.show(image, printing.sheet(image))


def tag(run: Run) -> None:
    signs = {"+": list[str](), "-": list[str]()}
    for change in run.asked.changes:
        sign, name = change.strip()[:1], change.strip()[1:].strip()
        if sign not in signs or not name:
            raise mistake(f"Write +{change.strip('+- ') or 'TAG'} to add a tag, -TAG to take one off.")
        signs[sign].append(name)
    image = run.gallery.edit(run.asked.id, add_tags=signs["+"], remove_tags=signs["-"])
    run.show(image, [printing.plain(", ".join(image.tag_names)) or "It has no tags."])


def me(run: Run) -> None:
    who = run.gallery.me()
    name = printing.plain(who.name) or "nobody"
    run.show(who, [f"You are {name} ({who.role}) and may {'' if who.may_upload else 'not '}upload."])


def _narrowed(asked: argparse.Namespace) -> dict[str, Any]:
    said = {"k": asked.k, "engines": asked.engines, "least": asked.least}
    return said | {"weak": asked.weak or None, "explain": asked.explain or None}


def _found(run: Run, answer: Answer) -> None:
    for notice in answer.notices:
        print(printing.plain(notice), file=sys.stderr)
    more = f"{answer.weak_count} more are probably nothing: --weak shows them." if answer.weak_count else ""
    rows = printing.table(printing.matched(match) for match in answer.matches) or ["Nothing was found."]
    run.show(answer, [*rows, *([more] if more else [])])
