-- AlterTable
ALTER TABLE "uploads" ADD COLUMN     "restorable_until" TIMESTAMPTZ(3),
ADD COLUMN     "restore_path" TEXT,
ADD COLUMN     "restore_state" "UploadState";

-- Partial: of all uploads few can be restored.
CREATE INDEX "uploads_restorable_until_idx" ON "uploads"("restorable_until") WHERE "restore_state" IS NOT NULL;

-- Whatever statement changes uploads, the usage changes with it. It runs at the end of the statement, so that the row of an
-- owner, for which everybody who adds to it waits, is the last thing that is locked.
--
-- What can be restored is counted as if it had been already: its bytes are there, and restoring it must not fail for want of
-- room.
--
-- A statement that must not pass limits names them in the setting antipasto.limits, as {"bytes", "files", "open_uploads"}.
CREATE OR REPLACE FUNCTION "keep_owner_usage"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  deltas "owner_usage"[];
  limits JSONB := NULLIF(current_setting('antipasto.limits', true), '')::jsonb;
  used RECORD;
BEGIN
  IF TG_OP = 'INSERT' THEN
    deltas := ARRAY(SELECT usage_of(owner, COALESCE(restore_state, state), concat, COALESCE(size_bytes, offset_bytes), 1) FROM added);
  ELSIF TG_OP = 'DELETE' THEN
    deltas := ARRAY(SELECT usage_of(owner, COALESCE(restore_state, state), concat, COALESCE(size_bytes, offset_bytes), -1) FROM removed);
  ELSE
    deltas := ARRAY(
      SELECT usage_of(owner, COALESCE(restore_state, state), concat, COALESCE(size_bytes, offset_bytes), 1) FROM added
      UNION ALL SELECT usage_of(owner, COALESCE(restore_state, state), concat, COALESCE(size_bytes, offset_bytes), -1) FROM removed);
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
