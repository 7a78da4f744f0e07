#!/usr/bin/env bash
# Sends files to antipasto and fills an EML document with their sizes, checksums and URLs.
#
#   export ANTIPASTO_URL=https://staging.example.org ANTIPASTO_TOKEN=ap_...
#   bash upload.sh LABEL EML.xml FILE...     all the way; after a break or a crash, run it again
#   bash upload.sh --delete PACKAGE          when PASTA has it all
#
# Needs bash and curl 7.76. It keeps the URLs of its uploads in the folder .uploads, beside what it writes.

set -euo pipefail

PATIENCE_SECONDS=3600 # So long may nothing get through before this gives up.
LONGEST_PAUSE_SECONDS=30

about='' # The file that is at work, to begin what is said of it.
fail() {
  printf '%s%s\n' "$about" "$*" >&2
  exit 1
}

# The key comes by a file descriptor: other users of this machine see a program's arguments.
# A request that moves no byte for five minutes has ended.
api() {
  curl -sS --fail-with-body --connect-timeout 30 --speed-limit 1 --speed-time 300 \
    -H @<(printf 'Authorization: Bearer %s\n' "$ANTIPASTO_TOKEN") "$@"
}

# One request: its body is in $work/body then, its headers in $work/headers, and in `status` 000 when there was no answer.
request() {
  local code=0
  : > "$work/body"
  : > "$work/headers"
  status=$(api "$@" -o "$work/body" -D "$work/headers" -w '%{http_code}' 2> "$work/error") || code=$?
  # 22: refused. With another one there is no whole answer, even where curl has seen a status such as 100.
  [ "$code" = 0 ] || [ "$code" = 22 ] || status=000
  return "$code"
}

# The same until it is answered, for requests that may be repeated.
ask() {
  note_progress
  until request "$@"; do wait_out; done
}

note_progress() {
  progress_at=$SECONDS
  pause_seconds=1
}

# After a failed request. Ends this with the server's words, unless the trouble passes: then waits, each time longer.
wait_out() {
  # The server has more than is known here, and is asked again.
  if grep -q '"code":"OFFSET_MISMATCH"' "$work/body"; then status=000; fi
  case $status in
    000 | 408 | 423 | 429 | 500 | 502 | 503 | 504) ;;
    *) fail "$(detail)" ;;
  esac
  [ $((SECONDS - progress_at)) -lt "$PATIENCE_SECONDS" ] || fail "$(detail)"
  printf '%s\n  Trying again in %s s.\n' "$(detail)" "$pause_seconds" >&2
  sleep "$pause_seconds"
  pause_seconds=$((pause_seconds * 2 < LONGEST_PAUSE_SECONDS ? pause_seconds * 2 : LONGEST_PAUSE_SECONDS))
}

# What the server says in its refusal, and what to do next; else what curl says.
detail() {
  sed -nE 's/.*"detail":"(([^"\\]|\\.)*)".*/\1/p' "$work/body" | grep . || cat "$work/error"
}

# The first member of that name in the answer: a text without escapes, or a number. With jq at hand: jq -r .NAME
member() {
  grep -oE "\"$1\":(\"[^\"]*|[0-9]+)" "$work/body" | sed -nE '1s/^"[^"]*":"?//p'
}

# The header of that name, in lower case.
header() {
  tr -d '\r' < "$work/headers" |
    awk -v name="$1:" 'tolower($1) == name { sub(/^[^ ]* */, ""); value = $0 } END { print value }'
}

sha256() {
  if command -v sha256sum > /dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-64
}

md5() {
  if command -v md5sum > /dev/null; then md5sum; else openssl md5 -r; fi | cut -c1-32
}

base64_of() {
  printf %s "$1" | base64 | tr -d '\n'
}

forget_upload() {
  rm -f "$known.url" "$known.key"
  fail "Its upload is gone from the server. Run this again to send the file anew."
}

# The URL of the upload of this file, in `url`. $1 label, $2 file's name, $3 its size, $4 its SHA-256: declared, so that the
# server refuses a file that arrives otherwise.
open_upload() {
  known=.uploads/$(printf '%s\n' "$ANTIPASTO_URL" "$1" "$2" "$4" | sha256)
  mkdir -p .uploads
  url=$(cat "$known.url" 2> "$work/error" || true)
  [ -z "$url" ] || return 0
  # The server answers one upload to one key, however often it is asked: an answer that is lost does no harm.
  [ -s "$known.key" ] || head -c 16 /dev/urandom | base64 > "$known.key"
  note_progress
  until request -X POST "$ANTIPASTO_URL/uploads" -H 'Tus-Resumable: 1.0.0' -H "Upload-Length: $3" \
    -H "Upload-Metadata: filename $(base64_of "$2"),label $(base64_of "$1"),sha256 $(base64_of "$4")" \
    -H "Idempotency-Key: $(cat "$known.key")"; do
    [ "$status" != 410 ] || forget_upload
    wait_out
  done
  url=$(header location)
  [ -n "$url" ] || fail "$ANTIPASTO_URL is not answered by antipasto. Does this network want you to sign in first?"
  printf '%s\n' "$url" > "$known.url"
}

# Sends the rest of file $1, of $2 bytes, to $url. After a break the server is asked how much it has.
send() {
  local offset='' before=''
  note_progress
  while [ "$offset" != "$2" ]; do
    if request -I "$url" -H 'Tus-Resumable: 1.0.0'; then
      offset=$(header upload-offset)
      [ "$offset" = "$before" ] || note_progress
      before=$offset
      [ "$offset" != "$2" ] || break
      printf '%s: from byte %s of %s\n' "$1" "$offset" "$2"
      tail -c "+$((offset + 1))" -- "$1" | request_patch "$offset" && continue
      status=$(cat "$work/status")
    elif [ "$status" = 404 ] || [ "$status" = 410 ]; then
      forget_upload
    fi
    wait_out
  done
}

# Sends what comes in, from byte $1 on. In a pipe, and so in a process of its own: its status is in $work/status then.
request_patch() {
  local code=0
  request -X PATCH "$url" -H 'Tus-Resumable: 1.0.0' -H "Upload-Offset: $1" \
    -H 'Content-Type: application/offset+octet-stream' -T - || code=$?
  printf %s "$status" > "$work/status"
  return "$code"
}

# One file, all the way to a report that says what this machine says.
upload() {
  local name=${2##*/} size digest state algorithm here there
  size=$(wc -c < "$2" | tr -d ' ')
  digest=$(sha256 < "$2")
  open_upload "$1" "$name" "$size" "$digest"
  send "$2" "$size"
  while ask "$url"; state=$(member state); [ "$state" = receiving ] || [ "$state" = finalizing ]; do sleep 1; done
  if [ "$state" != ready ]; then
    rm -f "$known.url" "$known.key"
    fail "The upload is $state. $(detail)"
  fi
  for algorithm in md5 sha256; do
    here=$("$algorithm" < "$2")
    there=$(member "$algorithm")
    [ "$here" = "$there" ] || fail "Its $algorithm is $here here, and $there on the server."
  done
  [ "${package:=$(member package_id)}" = "$(member package_id)" ] ||
    fail 'Some of these files are in a package that was finalized before. Take a new label.'
  printf '%s: ready, sha256 %s, %s\n' "$2" "$there" "$(member retrieval_url)"
  ask "$url/eml"
  cp "$work/body" "$name.physical.xml"
}

# Freezes the package and keeps its manifest, in which every file must be.
finalize() {
  local file
  ask -X POST "$ANTIPASTO_URL/packages/$package/finalize"
  ask "$ANTIPASTO_URL/packages/$package/manifest.json"
  [ "$(header etag)" = "\"$(sha256 < "$work/body")\"" ] || fail 'The manifest is not what the server sent. Run this again.'
  for file in "$@"; do
    grep -q "\"sha256\":\"$(sha256 < "$file")\"" "$work/body" || fail "$file is not in the manifest of package $package."
  done
  cp "$work/body" manifest.json
  echo "package $package: finalized, manifest.json has $# of its files"
}

# Fills size, checksums and URL of every entity into a copy of the document.
patch_eml() {
  local name=${1##*/}
  ask "$ANTIPASTO_URL/eml?package_id=$package" -H 'Content-Type: application/xml' --data-binary @"$1"
  cp "$work/body" "${name%.xml}.patched.xml"
  # Their names are percent-encoded.
  printf '%s.patched.xml: filled in: %s\n' "${name%.xml}" "$(header x-eml-matched)"
  printf '  without a file: %s\n  without an entity: %s\n' "$(header x-eml-missing)" "$(header x-eml-unused)" >&2
}

[ $# -ge 3 ] || { [ "${1-}" = --delete ] && [ $# = 2 ]; } || fail "$(sed -n '2,/^$/s/^# \{0,1\}//p' "$0")"
[ -n "${ANTIPASTO_URL-}" ] || fail 'ANTIPASTO_URL is not set. Type: export ANTIPASTO_URL=...'
[ -n "${ANTIPASTO_TOKEN-}" ] || fail 'ANTIPASTO_TOKEN is not set. Type: export ANTIPASTO_TOKEN=...'
ANTIPASTO_URL=${ANTIPASTO_URL%/}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "$1" = --delete ]; then
  request -X DELETE "$ANTIPASTO_URL/packages/$2" || fail "$(detail)"
  echo "package $2: deleted, its URLs are dead"
  exit
fi
label=$1
eml=$2
shift 2
request "$ANTIPASTO_URL/me" || fail "$(detail)" # Without patience: a wrong URL or key is told at once.
for file in "$@"; do
  about="$file: "
  upload "$label" "$file"
done
about=''
finalize "$@"
patch_eml "$eml"
echo "When PASTA has it all: bash upload.sh --delete $package"
