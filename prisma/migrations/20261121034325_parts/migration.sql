-- CreateEnum
CREATE TYPE "PartKind" AS ENUM ('part', 'piece', 'object');

-- AlterTable
ALTER TABLE "uploads" ADD COLUMN     "multipart_id" TEXT,
ADD COLUMN     "reread_bytes" BIGINT;

-- CreateTable
CREATE TABLE "parts" (
    "upload_id" TEXT NOT NULL,
    "start_bytes" BIGINT NOT NULL,
    "size_bytes" BIGINT NOT NULL,
    "kind" "PartKind" NOT NULL,
    "name" TEXT NOT NULL,
    "etag" TEXT NOT NULL,

    CONSTRAINT "parts_pkey" PRIMARY KEY ("upload_id","start_bytes")
);

-- AddForeignKey
ALTER TABLE "parts" ADD CONSTRAINT "parts_upload_id_fkey" FOREIGN KEY ("upload_id") REFERENCES "uploads"("id") ON DELETE CASCADE ON UPDATE CASCADE;
