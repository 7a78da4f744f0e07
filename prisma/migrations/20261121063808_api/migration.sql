-- CreateEnum
CREATE TYPE "UploadFinish" AS ENUM ('auto', 'manual', 'once');

-- CreateEnum
CREATE TYPE "PackageState" AS ENUM ('open', 'finalized', 'expired', 'deleted');

-- CreateEnum
CREATE TYPE "DeliveryState" AS ENUM ('pending', 'delivered', 'failed');

-- The events' order is given after they are committed, from a sequence of its own. It begins at 2, so that whoever asks for
-- what is behind 1 misses none.
ALTER TABLE "events" RENAME COLUMN "sequence" TO "id";
ALTER SEQUENCE "events_sequence_seq" RENAME TO "events_id_seq";
ALTER TABLE "events" ADD COLUMN     "package_id" TEXT,
ADD COLUMN     "sequence" BIGINT;
UPDATE "events" SET "sequence" = "id" + 1;
DROP INDEX "events_owner_sequence_idx";
CREATE INDEX "events_owner_sequence_idx" ON "events"("owner", "sequence");
CREATE SEQUENCE "events_order_seq";
SELECT setval('events_order_seq', (SELECT COALESCE(max("id"), 0) + 2 FROM "events"), false);

-- Partial, which Prisma's schema can't say: those that wait for their place are few.
CREATE INDEX "events_waiting_idx" ON "events"("id") WHERE "sequence" IS NULL;

-- AlterTable
ALTER TABLE "uploads" ADD COLUMN     "concat" TEXT,
ADD COLUMN     "finish" "UploadFinish" NOT NULL DEFAULT 'auto',
ADD COLUMN     "idempotency_digest" TEXT,
ADD COLUMN     "idempotency_key" TEXT,
ADD COLUMN     "is_expiry_told" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "keep_until" TIMESTAMPTZ(3),
ADD COLUMN     "package_id" TEXT,
-- In the order of its bytes, which a manifest is in, so that the index serves it in any database.
ADD COLUMN     "package_path" TEXT COLLATE "C";
-- What is unfinished had its end cut short; the default life is what it would have had.
UPDATE "uploads" SET "keep_until" = CASE "state" WHEN 'receiving'
  THEN GREATEST("expires_at", "created_at" + interval '30 days') ELSE "expires_at" END;
ALTER TABLE "uploads" ALTER COLUMN "keep_until" SET NOT NULL;

-- CreateTable
CREATE TABLE "concat_sources" (
    "upload_id" TEXT NOT NULL,
    "place" INTEGER NOT NULL,
    "partial_id" TEXT NOT NULL,

    CONSTRAINT "concat_sources_pkey" PRIMARY KEY ("upload_id","place")
);

-- CreateTable
CREATE TABLE "packages" (
    "id" TEXT NOT NULL,
    "owner" TEXT NOT NULL,
    "state" "PackageState" NOT NULL DEFAULT 'open',
    "name" TEXT NOT NULL,
    "label" TEXT,
    "open_label" TEXT,
    "producer" TEXT,
    "subject" TEXT,
    "retention_class" TEXT NOT NULL,
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finalized_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "ended_at" TIMESTAMPTZ(3),
    "manifest_head" JSONB,
    "manifest_sha256" TEXT,
    "manifest_json_sha256" TEXT,

    CONSTRAINT "packages_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "retention_extensions" (
    "id" BIGSERIAL NOT NULL,
    "package_id" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "by" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "old_expires_at" TIMESTAMPTZ(3) NOT NULL,
    "new_expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "retention_extensions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "webhooks" (
    "id" TEXT NOT NULL,
    "owner" TEXT NOT NULL,
    "sees_all" BOOLEAN NOT NULL DEFAULT false,
    "url" TEXT NOT NULL,
    "events" TEXT[],
    "secret" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "cursor" BIGINT NOT NULL,

    CONSTRAINT "webhooks_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "webhook_deliveries" (
    "id" TEXT NOT NULL,
    "webhook_id" TEXT NOT NULL,
    "sequence" BIGINT,
    "type" TEXT NOT NULL,
    "body" TEXT NOT NULL,
    "state" "DeliveryState" NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_attempt_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "status" INTEGER,
    "error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "delivered_at" TIMESTAMPTZ(3),

    CONSTRAINT "webhook_deliveries_pkey" PRIMARY KEY ("id")
);

-- DropIndex
DROP INDEX "uploads_owner_created_at_id_idx";

-- CreateIndex
CREATE INDEX "concat_sources_partial_id_idx" ON "concat_sources"("partial_id");

-- CreateIndex
CREATE INDEX "packages_owner_created_at_id_idx" ON "packages"("owner", "created_at", "id");

-- CreateIndex
CREATE INDEX "packages_state_expires_at_idx" ON "packages"("state", "expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "packages_owner_open_label_key" ON "packages"("owner", "open_label");

-- CreateIndex
CREATE INDEX "retention_extensions_package_id_id_idx" ON "retention_extensions"("package_id", "id");

-- CreateIndex
CREATE INDEX "webhooks_owner_created_at_id_idx" ON "webhooks"("owner", "created_at", "id");

-- CreateIndex
CREATE INDEX "webhook_deliveries_state_next_attempt_at_idx" ON "webhook_deliveries"("state", "next_attempt_at");

-- CreateIndex
CREATE INDEX "webhook_deliveries_webhook_id_created_at_id_idx" ON "webhook_deliveries"("webhook_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "webhook_deliveries_webhook_id_sequence_key" ON "webhook_deliveries"("webhook_id", "sequence");

-- CreateIndex
CREATE UNIQUE INDEX "events_sequence_key" ON "events"("sequence");

-- CreateIndex
CREATE INDEX "uploads_owner_created_at_id_state_idx" ON "uploads"("owner", "created_at", "id", "state");

-- CreateIndex
CREATE INDEX "uploads_owner_expires_at_id_state_idx" ON "uploads"("owner", "expires_at", "id", "state");

-- CreateIndex
CREATE INDEX "uploads_created_at_id_idx" ON "uploads"("created_at", "id");

-- CreateIndex
CREATE INDEX "api_keys_owner_created_at_id_idx" ON "api_keys"("owner", "created_at", "id");

-- Partial: most uploads have none of these, and shouldn't pay for them.
CREATE UNIQUE INDEX "uploads_package_id_package_path_key" ON "uploads"("package_id", "package_path") WHERE "package_id" IS NOT NULL;
CREATE UNIQUE INDEX "uploads_owner_idempotency_key_key" ON "uploads"("owner", "idempotency_key") WHERE "idempotency_key" IS NOT NULL;
CREATE INDEX "uploads_owner_label_created_at_id_idx" ON "uploads"("owner", "label", "created_at", "id") WHERE "label" IS NOT NULL;

-- Partial, as well: of all deliveries few are to be sent.
CREATE INDEX "webhook_deliveries_pending_idx" ON "webhook_deliveries"("webhook_id", "next_attempt_at", "sequence") WHERE "state" = 'pending';

-- AddForeignKey
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_package_id_fkey" FOREIGN KEY ("package_id") REFERENCES "packages"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "concat_sources" ADD CONSTRAINT "concat_sources_upload_id_fkey" FOREIGN KEY ("upload_id") REFERENCES "uploads"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "retention_extensions" ADD CONSTRAINT "retention_extensions_package_id_fkey" FOREIGN KEY ("package_id") REFERENCES "packages"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_webhook_id_fkey" FOREIGN KEY ("webhook_id") REFERENCES "webhooks"("id") ON DELETE CASCADE ON UPDATE CASCADE;
