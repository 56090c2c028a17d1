"""What a file says of how it was made: a hint, read from its bytes and never believed."""

from __future__ import annotations

import io
import json
import struct
import time
import tracemalloc
import zlib

import pytest
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo

from ingestion.declared import C2PA_BOX, MOST_BYTES, Declared, read
from ingestion.filters._base import Outcome
from ingestion.filters.synthetic import _judged
from tests.ingestion.filter_contract import FilterContract
from tests.pictures import encode

PICTURE = PillowImage.new("RGB", (16, 16), "teal")
STEPS = "a castle, by night\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 16x16"
TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def png(*texts, packed=False, international=False, **options):
    info = PngInfo()
    for key, text in texts:
        (info.add_itxt if international else info.add_text)(key, text, zip=packed)
    return encode(PICTURE, "PNG", pnginfo=info, **options)


def jpeg(*segments, **options):
    """Segments (marker, body) right behind the start."""
    plain = encode(PICTURE, **options)
    said = b"".join(b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body for marker, body in segments)
    return plain[:2] + said + plain[2:]


def xmp(source_type="", tool=""):
    said = f'<rdf:Description Iptc4xmpExt:DigitalSourceType="{TYPES}{source_type}"/>' if source_type else ""
    said += f'<rdf:Description xmp:CreatorTool="{tool}"/>' if tool else ""
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>{said}</rdf:RDF></x:xmpmeta>'.encode()


def store(*said):
    """A manifest store, as far as we read one."""
    box = C2PA_BOX + b"\x03c2pa\0" + b"c2pa.actions" + b"".join(said)
    return struct.pack(">I", len(box) + 8) + b"jumb" + box


def credentials(*said, each=60_000):
    """APP11 segments: what does not fit into one goes on in the next, its head repeated."""
    body = store(*said)
    parts = [body[:each], *(body[:8] + body[at : at + each] for at in range(each, len(body), each))]
    return jpeg(*[(0xEB, b"JP" + struct.pack(">HI", 1, n + 1) + part) for n, part in enumerate(parts)])


def exif(tag, value):
    out = PillowImage.Exif()
    if tag == 0x9286:
        out.get_ifd(0x8769)[tag] = value
    else:
        out[tag] = value
    return out.tobytes()


MADE = TYPES.encode() + b"trainedAlgorithmicMedia"
CAPTURED = TYPES.encode() + b"digitalCapture"
SAYS_SO = {
    "web UI, PNG": png(("parameters", STEPS)),
    "web UI, packed": png(("parameters", STEPS), packed=True),
    "web UI, international": png(("parameters", STEPS), international=True),
    "web UI, JPEG": encode(PICTURE, exif=exif(0x9286, b"UNICODE\0" + STEPS.encode("utf-16-be"))),
    "web UI, WebP": encode(PICTURE, "WEBP", exif=exif(0x9286, b"ASCII\0\0\0" + STEPS.encode())),
    "ComfyUI": png(("prompt", json.dumps({"3": {"class_type": "KSampler"}}))),
    "ComfyUI workflow": png(("workflow", json.dumps({"nodes": [], "links": []}))),
    "InvokeAI": png(("invokeai_metadata", "{}")),
    "NovelAI": png(("Software", "NovelAI"), ("Comment", '{"steps": 28}')),
    "Midjourney": png(("Description", "a castle --v 5 Job ID: 01234567-89ab-cdef-0123-456789abcdef")),
    "EXIF Software": encode(PICTURE, exif=exif(0x0131, "Midjourney v6")),
    "XMP in JPEG": encode(PICTURE, xmp=xmp("trainedAlgorithmicMedia")),
    "XMP in PNG": png(("XML:com.adobe.xmp", xmp("trainedAlgorithmicMedia").decode()), international=True),
    "XMP in WebP": encode(PICTURE, "WEBP", xmp=xmp("trainedAlgorithmicMedia")),
    "XMP in AVIF": encode(PICTURE, "AVIF", xmp=xmp("trainedAlgorithmicMedia")),
    "XMP in TIFF": encode(PICTURE, "TIFF", tiffinfo={700: xmp("trainedAlgorithmicMedia")}),
    "tool in XMP": encode(PICTURE, xmp=xmp(tool="Adobe Firefly 3")),
    "C2PA in JPEG": credentials(MADE),
    "C2PA over several segments": credentials(b"x" * 150_000, MADE, b"x" * 1_000),
}
UNSURE = {
    "C2PA without a type": credentials(b"c2pa.opened"),
    "partly": encode(PICTURE, xmp=xmp("compositeWithTrainedAlgorithmicMedia")),
    "credentials elsewhere": encode(PICTURE, xmp=b'<x:xmpmeta dcterms:provenance="https://example.org/a"></x:xmpmeta>'),
}
SAYS_NOTHING = {
    "plain": encode(PICTURE),
    "a camera's credentials": credentials(CAPTURED),
    "another program": encode(PICTURE, exif=exif(0x0131, "darktable 4.6")),
    "words about it": png(
        ("Description", "Steps to the castle"), ("Comment", "Made with GIMP"), ("prompt", "type here")
    ),
    "parameters of something else": png(("parameters", "exposure: 3, Steps: none")),
    "a title": encode(PICTURE, exif=exif(0x010E, "My talk about Midjourney")),
}


class TestSynthetic(FilterContract):
    name = "synthetic"

    @pytest.mark.parametrize("what", SAYS_SO)
    def test_what_says_so_is_told(self, judge, what):
        finding = judge(SAYS_SO[what])
        self.check(finding)
        assert finding.scores == {"synthetic": 1.0}
        assert finding.facts["declared"]
        assert finding.sentence.startswith("The file says that")
        assert finding.outcome == Outcome.PASS, "a line may hold it, a hint drops nothing"

    @pytest.mark.parametrize("what", UNSURE)
    def test_what_is_not_clear_is_unsure(self, judge, what):
        finding = judge(UNSURE[what])
        assert finding.scores == {"synthetic": 0.5}
        assert finding.sentence

    @pytest.mark.parametrize("what", SAYS_NOTHING)
    def test_what_says_nothing_is_nothing(self, judge, what):
        finding = judge(SAYS_NOTHING[what])
        assert (finding.scores, finding.sentence) == ({"synthetic": 0.0}, "")

    def test_png_and_webp_hold_credentials_too(self, judge):
        plain = encode(PICTURE, "PNG")
        body = store(MADE)
        chunk = struct.pack(">I", len(body)) + b"caBX" + body + struct.pack(">I", zlib.crc32(b"caBX" + body))
        assert judge(plain[:33] + chunk + plain[33:]).scores == {"synthetic": 1.0}
        webp = encode(PICTURE, "WEBP", exif=exif(0x0131, "x"))
        body += b"\0" * (len(body) % 2)
        webp += b"C2PA" + struct.pack("<I", len(body)) + body
        assert judge(webp[:4] + struct.pack("<I", len(webp) - 8) + webp[8:]).scores == {"synthetic": 1.0}


def test_hostile_files_end_the_reading(tmp_path):
    """Lengths beyond the end, chunks without end, a bomb of a text: no exception, no memory, no time."""
    started = time.thread_time()
    bomb = zlib.compress(b"\0" * 40 * 2**20, 6)
    text = b"parameters\0\0" + bomb
    files = {
        "bomb.png": ("PNG", b"\x89PNG\r\n\x1a\n" + (struct.pack(">I", len(text)) + b"zTXt" + text + b"crc0") * 3),
        "long.png": ("PNG", b"\x89PNG\r\n\x1a\n" + b"\xff\xff\xff\xffcaBX" + b"x" * 100),
        "many.png": ("PNG", b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0tEXtcrc0" * 50_000),
        "broken.png": ("PNG", b"\x89PNG\r\n\x1a\n\0\0\0\x09zTXt" + b"a\0\0nonsens"),
        "short.jpg": ("JPEG", b"\xff\xd8\xff\xe1\xff\xffExif\0\0II"),
        "none.jpg": ("JPEG", b"\xff\xd8\xff\xe1\0\0" * 50),
        "padding.jpg": ("JPEG", b"\xff\xd8" + b"\xff" * 200_000),
        "cut.webp": ("WEBP", b"RIFF\xff\xff\xff\xffWEBPEXIF\xff\xff\xff\x7fxx"),
        "many.webp": ("WEBP", b"RIFF\0\0\0\0WEBP" + b"EXIF\0\0\0\0" * 50_000),
        "open.gif": ("GIF", b"GIF89a" + b"<x:xmpmeta" * 100_000),
        "empty.tif": ("TIFF", b""),
    }
    for name, (format, content) in files.items():
        (tmp_path / name).write_bytes(content)
        tracemalloc.start()
        declared = read(tmp_path / name, format)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 12 * MOST_BYTES, name
        assert declared.size <= 2 * MOST_BYTES, name
    assert time.thread_time() - started < 30


@pytest.mark.parametrize(
    "said", ['"nodes": ', "Steps: 1, ", "Steps: 1, a: 1, ", '"class_type" ', "Steps: 1, " + "a " * 50]
)
def test_long_texts_are_read_in_no_time(said):
    text = said * (2**20 // len(said))
    texts = [(key, text) for key in ("parameters", "prompt", "workflow", "Comment", "Description")]
    started = time.thread_time()
    _judged(Declared(exif=text.encode(), xmp=b"CreatorTool=" * 50_000, texts=texts), {})
    assert time.thread_time() - started < 10


def test_a_cut_file_says_what_is_left_of_it(tmp_path):
    for name, content in SAYS_SO.items():
        for end in range(0, len(content), max(1, len(content) // 8)):
            path = tmp_path / "cut"
            path.write_bytes(content[:end])
            format = "PNG" if content.startswith(b"\x89PNG") else "WEBP" if content[8:12] == b"WEBP" else "JPEG"
            assert read(path, format), name


def test_the_picture_is_never_decoded(tmp_path):
    """Only its head is right; Pillow would refuse the rest."""
    path = tmp_path / "picture"
    path.write_bytes(SAYS_SO["C2PA in JPEG"][:400] + b"\0" * 50)
    assert MADE in read(path, "JPEG").c2pa
    with pytest.raises(OSError, match=r"[Tt]runcated"):
        PillowImage.open(io.BytesIO(path.read_bytes())).load()
