-- CreateEnum
CREATE TYPE "UploadState" AS ENUM ('receiving', 'finalizing', 'ready', 'failed', 'canceled', 'expired', 'deleted');

-- CreateEnum
CREATE TYPE "GarbageKind" AS ENUM ('temporary', 'object');

-- CreateTable
CREATE TABLE "uploads" (
    "id" TEXT NOT NULL,
    "owner" TEXT NOT NULL,
    "state" "UploadState" NOT NULL,
    "filename" TEXT,
    "content_type" TEXT,
    "key" TEXT,
    "label" TEXT,
    "relative_path" TEXT,
    "note" TEXT,
    "tus_metadata" TEXT,
    "size_bytes" BIGINT,
    "offset_bytes" BIGINT NOT NULL DEFAULT 0,
    "digest_state" BYTEA,
    "declared_md5" TEXT,
    "declared_sha1" TEXT,
    "declared_sha256" TEXT,
    "md5" TEXT,
    "sha1" TEXT,
    "sha256" TEXT,
    "retrieval_token" TEXT,
    "warnings" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "error_code" TEXT,
    "error_detail" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_write_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "lease_holder" TEXT,
    "lease_epoch" BIGINT NOT NULL DEFAULT 0,
    "lease_until" TIMESTAMPTZ(3),

    CONSTRAINT "uploads_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "blobs" (
    "sha256" TEXT NOT NULL,
    "object_key" TEXT NOT NULL,
    "size_bytes" BIGINT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "blobs_pkey" PRIMARY KEY ("sha256")
);

-- CreateTable
CREATE TABLE "garbage" (
    "kind" "GarbageKind" NOT NULL,
    "object_key" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "garbage_pkey" PRIMARY KEY ("kind","object_key")
);

-- CreateTable
CREATE TABLE "events" (
    "sequence" BIGSERIAL NOT NULL,
    "type" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "owner" TEXT NOT NULL,
    "upload_id" TEXT,
    "data" JSONB NOT NULL DEFAULT '{}',

    CONSTRAINT "events_pkey" PRIMARY KEY ("sequence")
);

-- CreateTable
CREATE TABLE "api_keys" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "prefix" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "owner" TEXT NOT NULL,
    "scopes" TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_keys_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "uploads_retrieval_token_key" ON "uploads"("retrieval_token");

-- CreateIndex
CREATE INDEX "uploads_owner_created_at_id_idx" ON "uploads"("owner", "created_at", "id");

-- CreateIndex
CREATE INDEX "uploads_state_expires_at_idx" ON "uploads"("state", "expires_at");

-- CreateIndex
CREATE INDEX "uploads_sha256_idx" ON "uploads"("sha256");

-- CreateIndex
CREATE UNIQUE INDEX "blobs_object_key_key" ON "blobs"("object_key");

-- CreateIndex
CREATE INDEX "events_owner_sequence_idx" ON "events"("owner", "sequence");

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_hash_key" ON "api_keys"("hash");
