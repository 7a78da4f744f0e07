-- AlterTable
ALTER TABLE "api_keys" ADD COLUMN     "groups" TEXT[] DEFAULT ARRAY[]::TEXT[];

-- CreateTable
CREATE TABLE "package_shares" (
    "package_id" TEXT NOT NULL,
    "grantee" TEXT NOT NULL,
    "may_write" BOOLEAN NOT NULL,
    "shared_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "package_shares_pkey" PRIMARY KEY ("package_id","grantee")
);

-- CreateTable
CREATE TABLE "owner_usage" (
    "owner" TEXT NOT NULL,
    "bytes" BIGINT NOT NULL DEFAULT 0,
    "files" INTEGER NOT NULL DEFAULT 0,
    "open_uploads" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "owner_usage_pkey" PRIMARY KEY ("owner")
);

-- CreateTable
CREATE TABLE "rate_limits" (
    "key" VARCHAR(255) NOT NULL,
    "points" INTEGER NOT NULL DEFAULT 0,
    "expire" BIGINT,

    CONSTRAINT "rate_limits_pkey" PRIMARY KEY ("key")
);

-- CreateIndex
CREATE INDEX "package_shares_grantee_idx" ON "package_shares"("grantee");

-- AddForeignKey
ALTER TABLE "package_shares" ADD CONSTRAINT "package_shares_package_id_fkey" FOREIGN KEY ("package_id") REFERENCES "packages"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What one upload adds to its owner's usage.
CREATE FUNCTION "usage_of"(owner TEXT, state "UploadState", concat TEXT, bytes BIGINT, times INTEGER) RETURNS "owner_usage"
LANGUAGE sql IMMUTABLE AS $$
  SELECT owner,
    CASE WHEN state IN ('receiving', 'finalizing', 'ready') THEN times * bytes ELSE 0 END,
    CASE WHEN state IN ('receiving', 'finalizing', 'ready') AND concat IS DISTINCT FROM 'partial' THEN times ELSE 0 END,
    CASE WHEN state IN ('receiving', 'finalizing') THEN times ELSE 0 END
$$;

-- Whatever statement changes uploads, the usage changes with it. It runs at the end of the statement, so that the row of an
-- owner, for which everybody who adds to it waits, is the last thing that is locked.
--
-- A statement that must not pass limits names them in the setting antipasto.limits, as {"bytes", "files", "open_uploads"}.
CREATE FUNCTION "keep_owner_usage"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  deltas "owner_usage"[];
  limits JSONB := NULLIF(current_setting('antipasto.limits', true), '')::jsonb;
  used RECORD;
BEGIN
  IF TG_OP = 'INSERT' THEN
    deltas := ARRAY(SELECT usage_of(owner, state, concat, COALESCE(size_bytes, offset_bytes), 1) FROM added);
  ELSIF TG_OP = 'DELETE' THEN
    deltas := ARRAY(SELECT usage_of(owner, state, concat, COALESCE(size_bytes, offset_bytes), -1) FROM removed);
  ELSE
    deltas := ARRAY(
      SELECT usage_of(owner, state, concat, COALESCE(size_bytes, offset_bytes), 1) FROM added
      UNION ALL SELECT usage_of(owner, state, concat, COALESCE(size_bytes, offset_bytes), -1) FROM removed);
  END IF;
  FOR used IN
    WITH more AS (
      SELECT delta.owner, sum(delta.bytes) AS bytes, sum(delta.files) AS files, sum(delta.open_uploads) AS open_uploads
      FROM unnest(deltas) AS delta GROUP BY delta.owner
      HAVING sum(delta.bytes) <> 0 OR sum(delta.files) <> 0 OR sum(delta.open_uploads) <> 0
    ), counted AS (
      INSERT INTO owner_usage AS usage (owner, bytes, files, open_uploads)
      SELECT owner, bytes, files, open_uploads FROM more ORDER BY owner
      ON CONFLICT (owner) DO UPDATE SET bytes = usage.bytes + excluded.bytes, files = usage.files + excluded.files,
        open_uploads = usage.open_uploads + excluded.open_uploads
      RETURNING *
    )
    SELECT counted.bytes, counted.files, counted.open_uploads,
      more.bytes AS more_bytes, more.files AS more_files, more.open_uploads AS more_open_uploads
    FROM counted JOIN more USING (owner)
  LOOP
    -- A limit that was lowered below what an owner has stops only what would add to it.
    IF (used.more_bytes > 0 AND used.bytes > (limits ->> 'bytes')::bigint)
      OR (used.more_files > 0 AND used.files > (limits ->> 'files')::bigint)
      OR (used.more_open_uploads > 0 AND used.open_uploads > (limits ->> 'open_uploads')::bigint)
    THEN
      RAISE EXCEPTION USING ERRCODE = 'AP001', MESSAGE = 'over quota';
    END IF;
  END LOOP;
  RETURN NULL;
END
$$;

CREATE TRIGGER "uploads_added" AFTER INSERT ON "uploads" REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION "keep_owner_usage"();
CREATE TRIGGER "uploads_changed" AFTER UPDATE ON "uploads" REFERENCING OLD TABLE AS removed NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION "keep_owner_usage"();
CREATE TRIGGER "uploads_removed" AFTER DELETE ON "uploads" REFERENCING OLD TABLE AS removed
  FOR EACH STATEMENT EXECUTE FUNCTION "keep_owner_usage"();

INSERT INTO "owner_usage" ("owner", "bytes", "files", "open_uploads")
SELECT (usage).owner, sum((usage).bytes), sum((usage).files), sum((usage).open_uploads)
FROM (
  SELECT usage_of(owner, state, concat, COALESCE(size_bytes, offset_bytes), 1) AS usage FROM "uploads"
) AS counted
GROUP BY (usage).owner;
