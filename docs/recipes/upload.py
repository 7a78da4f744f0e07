#!/usr/bin/env python3
"""Sends files to antipasto and fills an EML document with their sizes, checksums and URLs.

    export ANTIPASTO_URL=https://staging.example.org ANTIPASTO_TOKEN=ap_...
    python3 upload.py LABEL EML.xml FILE...     all the way; after a break or a crash, run it again
    python3 upload.py --delete PACKAGE          when PASTA has it all

Needs Python 3.8 and requests (Debian: apt install python3-requests; elsewhere: pip install requests).
"""

import base64
import hashlib
import io
import json
import mimetypes
import os
import sys
import time
from pathlib import Path
from urllib.parse import urljoin

import requests

CHUNK_BYTES = 8 * 1024 * 1024
# To connect; and without a sign of life from the server, which may be finishing a large file.
TIMEOUT_SECONDS = (30, 300)
# So long may nothing get through before this gives up.
PATIENCE_SECONDS = 3600
LONGEST_PAUSE_SECONDS = 30
TUS = {"Tus-Resumable": "1.0.0"}

session = requests.Session()


class Refused(Exception):
    """The server's word on why not, and on what to do next. Asking again doesn't help."""


class Passing(Exception):
    """Trouble of the server's that passes."""


def failure(status, body, words):
    """Why not: the `detail` of the server's answer where there is one."""
    try:
        problem = dict(json.loads(body))
        words = f"{problem['detail']} ({words})"
    except (ValueError, LookupError, TypeError):
        problem = {}  # not the server's: of a proxy, or of HEAD, which has no body
    # OFFSET_MISMATCH: the server has more than this knows of, and is asked again.
    passes = status in (408, 423, 429, 500, 502, 503, 504) or problem.get("code") == "OFFSET_MISMATCH"
    return Passing(words) if passes else Refused(words)


def ask(method, target, **options):
    """The answer of the server when it is a success. `target` is a path or a URL."""
    url = urljoin(f"{session.base_url}/", target.lstrip("/"))
    answer = session.request(method, url, timeout=TIMEOUT_SECONDS, allow_redirects=False, **options)
    if 200 <= answer.status_code < 300:
        return answer
    raise failure(answer.status_code, answer.content, f"{method} {url}: {answer.status_code} {answer.reason}")


def header(answer, name):
    """A header that every answer of the server's has here. Others have put a page of theirs in its place."""
    if name not in answer.headers:
        raise Passing(f"{answer.url} is not answered by antipasto. Does this network want you to sign in first?")
    return answer.headers[name]


class Patience:
    """Waits out trouble that passes, each time longer, until nothing has got through for PATIENCE_SECONDS."""

    def __init__(self):
        self.progress()

    def progress(self):
        self.since = time.monotonic()
        self.pause_seconds = 1

    def wait(self, trouble):
        if time.monotonic() - self.since > PATIENCE_SECONDS:
            raise trouble
        print(f"{trouble}\n  Trying again in {self.pause_seconds} s.", file=sys.stderr)
        time.sleep(self.pause_seconds)
        self.pause_seconds = min(2 * self.pause_seconds, LONGEST_PAUSE_SECONDS)


def patiently(action):
    """What `action` answers, which must be safe to repeat."""
    patience = Patience()
    while True:
        try:
            return action()
        except (requests.RequestException, Passing) as trouble:
            patience.wait(trouble)


def digests_of(path):
    """Size and checksums of a file of any size, read once."""
    size, md5, sha256 = 0, hashlib.md5(), hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            size += len(chunk)
            md5.update(chunk)
            sha256.update(chunk)
    return size, {"md5": md5.hexdigest(), "sha256": sha256.hexdigest()}


def find_upload(label, name, size, sha256):
    """The URL of the upload of this very file, begun or finished before; None when there is none."""
    cursor = None
    while True:
        query = {"label": label, "state": "receiving,finalizing,ready", "limit": 500, "cursor": cursor}
        page = ask("GET", "/uploads", params=query).json()
        for report in page["items"]:
            declared = report["declared_checksums"]["sha256"]
            if (report["filename"], report["size"], declared) == (name, size, sha256):
                return f"/uploads/{report['id']}"
        cursor = page["next_cursor"]
        if cursor is None:
            return None


def metadata_of(label, name, sha256):
    """What the server is told of a file. With its SHA-256 declared, it refuses a file that arrives otherwise."""
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return {"filename": name, "filetype": media_type, "label": label, "sha256": sha256}


def create_upload(label, name, size, sha256):
    """Begins an upload, and answers its URL."""
    metadata = metadata_of(label, name, sha256)
    encoded = ",".join(f"{key} {base64.b64encode(text.encode()).decode()}" for key, text in metadata.items())
    answer = ask("POST", "/uploads", headers={**TUS, "Upload-Length": str(size), "Upload-Metadata": encoded})
    return urljoin(answer.url, header(answer, "Location"))


def send_chunk(url, file, offset):
    """Sends what is at `offset` of the file. Answers the offset after it, up to which the server has everything."""
    file.seek(offset)
    chunk = file.read(CHUNK_BYTES)
    if not chunk:
        raise Refused(f"It has become shorter. Run this again to send it as it is now.")
    headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    # As a file, not as bytes: then the time limit is for each piece of it, and slow networks are no trouble.
    return int(header(ask("PATCH", url, headers=headers, data=io.BytesIO(chunk)), "Upload-Offset"))


def send(url, path, size):
    """Sends the rest of the file. After a break the server is asked how much it has, and the next byte goes on there."""
    patience, offset = Patience(), None
    with open(path, "rb") as file:
        while offset is None or offset < size:
            try:
                if offset is None:
                    offset = int(header(ask("HEAD", url, headers=TUS), "Upload-Offset"))
                    print(f"{path}: {'on from' if offset else 'from'} byte {offset} of {size}")
                else:
                    offset = send_chunk(url, file, offset)
                    patience.progress()
            except (requests.RequestException, Passing) as trouble:
                offset = None
                patience.wait(trouble)


def transfer(label, path, size, sha256):
    """Brings a file to the server, or the rest of it, and answers the URL of its upload."""
    identity = (label, path.name, size, sha256)
    # Looks first, every time: of a creation whose answer is lost there is an upload.
    url = patiently(lambda: find_upload(*identity) or create_upload(*identity))
    send(url, path, size)
    return url


def final_report(url):
    """The upload's report once the server has looked at the last byte."""
    while True:
        report = patiently(lambda: ask("GET", url).json())
        if report["state"] not in ("receiving", "finalizing"):
            return report
        time.sleep(1)


def upload(label, path, bring):
    """One file, all the way to a report that says what this machine says. Answers the report."""
    size, digests = digests_of(path)
    url = bring(label, path, size, digests["sha256"])
    report = final_report(url)
    if report["state"] != "ready":
        error = report["error"] or {"detail": "Run this again to send it anew."}
        raise Refused(f"The upload is {report['state']}. {error['detail']}")
    for algorithm, digest in digests.items():
        if report["checksums"][algorithm] != digest:
            raise Refused(f"Its {algorithm} is {digest} here, and {report['checksums'][algorithm]} on the server.")
    Path(f"{path.name}.physical.xml").write_bytes(patiently(lambda: ask("GET", f"{url}/eml").content))
    print(f"{path}: ready, sha256 {digests['sha256']}, {report['retrieval_url']}")
    return report


def finalize(package, reports):
    """Freezes the package and keeps its manifest, in which every file must be."""
    patiently(lambda: ask("POST", f"/packages/{package}/finalize"))
    answer = patiently(lambda: ask("GET", f"/packages/{package}/manifest.json"))
    if answer.headers["ETag"].strip('"') != hashlib.sha256(answer.content).hexdigest():
        raise Refused("The manifest is not what the server sent. Run this again.")
    listed = {file["sha256"] for file in answer.json()["files"]}
    for report in reports:
        if report["checksums"]["sha256"] not in listed:
            raise Refused(f"{report['filename']} is not in the manifest of package {package}.")
    Path("manifest.json").write_bytes(answer.content)
    print(f"package {package}: finalized, {len(listed)} contents in manifest.json")


def patch_eml(package, eml):
    """Fills size, checksums and URL of every entity into a copy of the document."""
    headers = {"Content-Type": "application/xml", "Accept": "application/json"}
    document = eml.read_bytes()
    options = {"params": {"package_id": package}, "headers": headers, "data": document}
    answer = patiently(lambda: ask("POST", "/eml", **options).json())
    patched = Path(f"{eml.stem}.patched.xml")
    patched.write_bytes(answer["document"].encode())
    print(f"{patched}: {len(answer['matched'])} entities filled in")
    for entity in answer["missing"]:
        print(f"  no file for {entity['object_name'] or entity['entity']}: {entity['reason']}", file=sys.stderr)
    for file in answer["unused"]:
        print(f"  no entity for {file['path']}", file=sys.stderr)


def sign(request):
    """As `auth` rather than as a header: a ~/.netrc would replace that."""
    request.headers["Authorization"] = f"Bearer {os.environ['ANTIPASTO_TOKEN']}"
    return request


def main(arguments, bring):
    is_deletion = arguments[:1] == ["--delete"] and len(arguments) == 2
    if not is_deletion and (len(arguments) < 3 or arguments[0].startswith("-")):
        sys.exit(__doc__)
    for name in ("ANTIPASTO_URL", "ANTIPASTO_TOKEN"):
        if not os.environ.get(name):
            sys.exit(f"{name} is not set. Type: export {name}=...")
    session.base_url = os.environ["ANTIPASTO_URL"].rstrip("/")
    session.auth = sign
    if is_deletion:
        ask("DELETE", f"/packages/{arguments[1]}")
        print(f"package {arguments[1]}: deleted, its URLs are dead")
        return
    label, eml, *files = arguments
    ask("GET", "/me")  # without patience: a wrong URL or key is told at once
    reports = []
    for file in files:
        try:
            reports.append(upload(label, Path(file), bring))
        except Refused as refusal:
            raise Refused(f"{file}: {refusal}") from refusal
    packages = {report["package_id"] for report in reports}
    if len(packages) != 1:
        raise Refused(f"Some of these files are in a package that was finalized before ({packages}). Take a new label.")
    package = packages.pop()
    finalize(package, reports)
    patch_eml(package, Path(eml))
    print(f"When PASTA has it all: python3 upload.py --delete {package}")


def run(bring=transfer):
    """The command: one line for what goes wrong, and exit code 1."""
    try:
        main(sys.argv[1:], bring)
    except KeyboardInterrupt:
        sys.exit("Stopped. Run it again: it goes on where it was.")
    except (Refused, Passing, OSError, UnicodeError) as problem:  # a RequestException is an OSError
        sys.exit(str(problem))


if __name__ == "__main__":
    run()
