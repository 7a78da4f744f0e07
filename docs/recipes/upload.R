#!/usr/bin/env Rscript
# Sends files to antipasto and fills an EML document with their sizes, checksums and URLs.
#
#   export ANTIPASTO_URL=https://staging.example.org ANTIPASTO_TOKEN=ap_...
#   Rscript upload.R LABEL EML.xml FILE...     all the way; after a break or a crash, run it again
#   Rscript upload.R --delete PACKAGE          when PASTA has it all
#
# In an R session: Sys.setenv(ANTIPASTO_URL = "...", ANTIPASTO_TOKEN = "..."), source("upload.R"), and
# upload_all("LABEL", "EML.xml", c("FILE", ...)).
#
# Needs R 4.1, httr2 and jsonlite: install.packages(c("httr2", "jsonlite")), or apt install r-cran-httr2 r-cran-jsonlite.

library(httr2)

CHUNK_BYTES <- 8 * 1024^2
PATIENCE_SECONDS <- 3600 # So long may nothing get through before this gives up.
LONGEST_PAUSE_SECONDS <- 30
TUS <- list(`Tus-Resumable` = "1.0.0")
BYTES <- "application/offset+octet-stream"

setting <- function(name) {
  value <- Sys.getenv(name)
  if (value == "") refuse(name, " is not set. Type: export ", name, "=...")
  sub("/+$", "", value)
}

# Asking again doesn't help.
refuse <- function(...) stop(errorCondition(paste0(...), class = "refused"))

# Trouble that passes.
pass <- function(...) stop(errorCondition(paste0(...), class = "passing"))

# The answer of the server when it is a success. `target` is a path or a URL, `body` bytes.
ask <- function(method, target, headers = list(), query = list(), body = NULL, type = "application/json") {
  url <- if (grepl("^https?://", target)) target else paste0(setting("ANTIPASTO_URL"), target)
  query <- Filter(Negate(is.null), query)
  prepared <- request(url) |>
    req_auth_bearer_token(setting("ANTIPASTO_TOKEN")) |>
    req_headers(!!!headers) |>
    req_url_query(!!!query) |>
    req_options(connecttimeout = 30, low_speed_limit = 1, low_speed_time = 300, followlocation = FALSE) |>
    # libcurl itself sends again what fails on a connection that was used before. What must not be sent twice gets its own.
    req_options(fresh_connect = method %in% c("POST", "PATCH")) |>
    req_error(is_error = function(answer) FALSE)
  if (!is.null(body)) prepared <- req_body_raw(prepared, body, type)
  prepared <- req_method(prepared, method)
  answer <- tryCatch(req_perform(prepared), error = function(error) pass(conditionMessage(error)))
  status <- resp_status(answer)
  if (status >= 200 && status < 300) return(answer)
  words <- sprintf("%s %s: %d", method, url, status)
  # The server's own words on why not, and on what to do next.
  told <- tryCatch(resp_body_json(answer, check_type = FALSE), error = function(error) NULL)
  if (is.list(told) && is.character(told$detail)) words <- sprintf("%s (%s)", told$detail, words)
  # OFFSET_MISMATCH: the server has more than this knows of, and is asked again.
  is_passing <- status %in% c(408, 423, 429, 500, 502, 503, 504) || identical(as.list(told)$code, "OFFSET_MISMATCH")
  if (is_passing) pass(words) else refuse(words)
}

json <- function(answer) resp_body_json(answer, simplifyVector = FALSE)

# A header that every answer of the server's has here. Others have put a page of theirs in its place.
header <- function(answer, name) {
  value <- resp_header(answer, name)
  if (is.null(value)) pass("This is not antipasto's answer. Does this network want you to sign in first?")
  value
}

# 100000 and not 1e+05.
digits <- function(number) sprintf("%.0f", number)

# Waits out trouble that passes, each time longer, until nothing has got through for PATIENCE_SECONDS.
new_patience <- function() {
  since <- Sys.time()
  pause_seconds <- 1
  list(
    progress = function() {
      since <<- Sys.time()
      pause_seconds <<- 1
    },
    wait = function(trouble) {
      if (difftime(Sys.time(), since, units = "secs") > PATIENCE_SECONDS) stop(trouble)
      message(conditionMessage(trouble), "\n  Trying again in ", pause_seconds, " s.")
      Sys.sleep(pause_seconds)
      pause_seconds <<- min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
    }
  )
}

# What `action` answers, which must be safe to repeat.
patiently <- function(action) {
  patience <- new_patience()
  repeat {
    outcome <- tryCatch(action(), passing = identity)
    if (!inherits(outcome, "passing")) return(outcome)
    patience$wait(outcome)
  }
}

# In hex, of a connection or of bytes.
sha256 <- function(source) paste(as.character(openssl::sha256(source)))

sha256_of <- function(path) {
  file <- file(path, "rb")
  on.exit(close(file))
  sha256(file)
}

# The URL of the upload of this very file, begun or finished before; NULL when there is none.
find_upload <- function(label, name, size, sha256) {
  cursor <- NULL
  repeat {
    query <- list(label = label, state = "receiving,finalizing,ready", limit = "500", cursor = cursor)
    page <- json(ask("GET", "/uploads", query = query))
    for (report in page$items) {
      declared <- report$declared_checksums$sha256
      if (identical(report$filename, name) && identical(declared, sha256) && report$size == size) {
        return(paste0("/uploads/", report$id))
      }
    }
    cursor <- page$next_cursor
    if (is.null(cursor)) return(NULL)
  }
}

# Begins an upload, and answers its URL. With the SHA-256 declared the server refuses a file that arrives otherwise.
create_upload <- function(label, name, size, sha256) {
  media_type <- switch(tolower(tools::file_ext(name)),
    csv = "text/csv", txt = "text/plain", xml = "text/xml", json = "application/json", tif = "image/tiff",
    "application/octet-stream"
  )
  metadata <- c(filename = name, filetype = media_type, label = label, sha256 = sha256)
  encoded <- vapply(metadata, function(text) openssl::base64_encode(charToRaw(enc2utf8(text))), "")
  headers <- list(`Upload-Length` = digits(size), `Upload-Metadata` = paste(names(encoded), encoded, collapse = ","))
  header(ask("POST", "/uploads", c(TUS, headers), body = raw(0), type = BYTES), "Location")
}

# Sends what is at `offset` of the file. Answers the offset after it, up to which the server has everything.
send_chunk <- function(url, file, offset) {
  seek(file, offset)
  chunk <- readBin(file, raw(), CHUNK_BYTES)
  if (length(chunk) == 0) refuse("It has become shorter. Run this again to send it as it is now.")
  headers <- c(TUS, `Upload-Offset` = digits(offset))
  as.numeric(header(ask("PATCH", url, headers, body = chunk, type = BYTES), "Upload-Offset"))
}

# Sends the rest of the file. After a break the server is asked how much it has, and the next byte goes on there.
send <- function(url, path, size) {
  file <- file(path, "rb")
  on.exit(close(file))
  patience <- new_patience()
  offset <- NULL
  while (is.null(offset) || offset < size) {
    offset <- tryCatch(
      if (is.null(offset)) {
        reached <- as.numeric(header(ask("HEAD", url, TUS), "Upload-Offset"))
        message(path, ": from byte ", digits(reached), " of ", digits(size))
        reached
      } else {
        reached <- send_chunk(url, file, offset)
        patience$progress()
        reached
      },
      passing = function(trouble) {
        patience$wait(trouble)
        NULL
      }
    )
  }
}

# The upload's report once the server has looked at the last byte.
final_report <- function(url) {
  repeat {
    report <- patiently(function() json(ask("GET", url)))
    if (!report$state %in% c("receiving", "finalizing")) return(report)
    Sys.sleep(1)
  }
}

# One file, all the way to a report that says what this machine says. Answers the report.
upload <- function(label, path) {
  name <- enc2utf8(basename(path))
  size <- file.size(path)
  if (is.na(size)) refuse("There is no such file.")
  digests <- list(md5 = unname(tools::md5sum(path)), sha256 = sha256_of(path))
  # Looks first, every time: of a creation whose answer is lost there is an upload.
  url <- patiently(function() {
    found <- find_upload(label, name, size, digests$sha256)
    if (is.null(found)) create_upload(label, name, size, digests$sha256) else found
  })
  send(url, path, size)
  report <- final_report(url)
  if (report$state != "ready") refuse("The upload is ", report$state, ". ", report$error$detail)
  for (algorithm in names(digests)) {
    there <- report$checksums[[algorithm]]
    if (digests[[algorithm]] != there) {
      refuse("Its ", algorithm, " is ", digests[[algorithm]], " here, and ", there, " on the server.")
    }
  }
  fragment <- patiently(function() ask("GET", paste0("/uploads/", report$id, "/eml")))
  writeBin(resp_body_raw(fragment), paste0(name, ".physical.xml"))
  message(path, ": ready, sha256 ", digests$sha256, ", ", report$retrieval_url)
  report
}

# Freezes the package and keeps its manifest, in which every file must be.
finalize <- function(package, reports) {
  patiently(function() ask("POST", paste0("/packages/", package, "/finalize"), body = raw(0)))
  answer <- patiently(function() ask("GET", paste0("/packages/", package, "/manifest.json")))
  bytes <- resp_body_raw(answer)
  if (header(answer, "ETag") != sprintf('"%s"', sha256(bytes))) {
    refuse("The manifest is not what the server sent. Run this again.")
  }
  listed <- vapply(json(answer)$files, function(file) file$sha256, "")
  for (report in reports) {
    if (!report$checksums$sha256 %in% listed) refuse(report$filename, " is not in the manifest of package ", package, ".")
  }
  writeBin(bytes, "manifest.json")
  message("package ", package, ": finalized, ", length(listed), " files in manifest.json")
}

# Fills size, checksums and URL of every entity into a copy of the document.
patch_eml <- function(package, eml) {
  document <- readBin(eml, raw(), file.size(eml))
  query <- list(package_id = package)
  accept <- list(Accept = "application/json")
  patched <- patiently(function() json(ask("POST", "/eml", accept, query, document, "application/xml")))
  path <- paste0(tools::file_path_sans_ext(basename(eml)), ".patched.xml")
  writeBin(charToRaw(enc2utf8(patched$document)), path)
  message(path, ": ", length(patched$matched), " entities filled in")
  for (entity in patched$missing) {
    message("  no file for ", entity$object_name %||% entity$entity, ": ", entity$reason)
  }
  for (file in patched$unused) message("  no entity for ", file$path)
}

`%||%` <- function(value, otherwise) if (is.null(value)) otherwise else value

upload_all <- function(label, eml, files) {
  ask("GET", "/me") # Without patience: a wrong URL or key is told at once.
  reports <- lapply(files, function(file) {
    tryCatch(upload(label, file), refused = function(refusal) refuse(file, ": ", conditionMessage(refusal)))
  })
  package <- unique(vapply(reports, function(report) report$package_id, ""))
  if (length(package) != 1) {
    refuse("Some of these files are in a package that was finalized before. Take a new label.")
  }
  finalize(package, reports)
  patch_eml(package, eml)
  message("When PASTA has it all: Rscript upload.R --delete ", package)
  invisible(reports)
}

delete_package <- function(package) {
  ask("DELETE", paste0("/packages/", package))
  message("package ", package, ": deleted, its URLs are dead")
}

main <- function(arguments) {
  if (length(arguments) == 2 && arguments[1] == "--delete") {
    delete_package(arguments[2])
  } else if (length(arguments) >= 3) {
    upload_all(arguments[1], arguments[2], arguments[-(1:2)])
  } else {
    refuse("Rscript upload.R LABEL EML.xml FILE...\nRscript upload.R --delete PACKAGE")
  }
}

if (!interactive() && sys.nframe() == 0) {
  tryCatch(main(commandArgs(trailingOnly = TRUE)), error = function(error) {
    message(conditionMessage(error))
    quit(status = 1)
  })
}
