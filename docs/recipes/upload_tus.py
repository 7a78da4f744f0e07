#!/usr/bin/env python3
"""The same as upload.py, which must lie beside it, with tuspy to send the bytes.

    export ANTIPASTO_URL=https://staging.example.org ANTIPASTO_TOKEN=ap_...
    python3 upload_tus.py LABEL EML.xml FILE...     all the way; after a break or a crash, run it again
    python3 upload_tus.py --delete PACKAGE          when PASTA has it all

Needs tuspy 1.0 or newer (Debian: apt install python3-tuspy; elsewhere: pip install tuspy). It keeps the URLs of
its uploads in the file uploads.json of this folder.
"""

import functools

import requests
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError
from tusclient.fingerprint.interface import Fingerprint
from tusclient.storage.filestorage import FileStorage

import upload as recipe

# tuspy reads a chunk into memory, and a chunk must get through within the time limit: 4 MiB in 5 minutes, 14 KB a second.
CHUNK_BYTES = 4 * 1024 * 1024
TIMEOUT_SECONDS = 300

# tuspy has no time limit and would wait for a silent network for ever; `auth`, as a ~/.netrc would replace a header.
for method in ("head", "post", "patch"):
    bounded = functools.partial(getattr(requests, method), timeout=TIMEOUT_SECONDS, auth=recipe.sign)
    setattr(requests, method, bounded)


class Known(Fingerprint):
    """By what a stored URL is found. tuspy's own is the size and the first 64 KiB, which two files may share."""

    def __init__(self, text):
        self.text = text

    def get_fingerprint(self, fs):
        return self.text


def transfer(label, path, size, sha256):
    """Brings a file to the server, or the rest of it, and answers the URL of its upload."""
    base_url = recipe.session.base_url
    fingerprint = f"{base_url} {label} {path.name} {sha256}"
    storage = FileStorage("uploads.json")
    options = {
        "chunk_size": CHUNK_BYTES,
        "metadata": recipe.metadata_of(label, path.name, sha256),
        "store_url": True,
        "url_storage": storage,
        "fingerprinter": Known(fingerprint),
    }
    patience = recipe.Patience()
    try:
        while True:
            try:
                if storage.get_item(fingerprint) is None:
                    # Of a creation whose answer was lost there is an upload, and it would keep its package open.
                    found = recipe.find_upload(label, path.name, size, sha256)
                    if found is not None:
                        storage.set_item(fingerprint, f"{base_url}{found}")
                uploader = TusClient(f"{base_url}/uploads").uploader(str(path), **options)
                if uploader.url is None:  # here, as tuspy 1.0 creates no upload for an empty file
                    uploader.set_url(uploader.create_url())
                print(f"{path}: {'on from' if uploader.offset else 'from'} byte {uploader.offset} of {size}")
                while uploader.offset < size:
                    uploader.upload_chunk()
                    patience.progress()
                return uploader.url
            except TusCommunicationError as error:
                patience.wait(passing(error, storage, fingerprint))
            except (requests.RequestException, recipe.Passing) as trouble:
                patience.wait(trouble)
    finally:
        storage.close()


def passing(error, storage, fingerprint):
    """`error` as trouble that passes; raises what doesn't."""
    if error.status_code is None:  # the network's
        return recipe.Passing(str(error))
    trouble = recipe.failure(error.status_code, error.response_content, str(error))
    if error.status_code in (404, 410):
        storage.remove_item(fingerprint)
        trouble = recipe.Refused(f"{trouble}\nThis upload is gone from the server. Run this again to send the file anew.")
    if isinstance(trouble, recipe.Refused):
        raise trouble
    return trouble


if __name__ == "__main__":
    recipe.run(transfer)
