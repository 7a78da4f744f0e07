// The start's questions to S3: is the bucket there, and may we do in it what we shall have to do? Asked by doing it, since
// no API tells what a policy, a key's rights on Garage or a token's on R2 come to.

import { randomBytes } from 'node:crypto'
import { AppError, isAppError } from '../errors.js'
import { type Bucket, copySource } from './s3-client.js'
import type { S3Settings } from './s3-connection.js'
import { isPassing, S3Failure, type S3Symptom, symptomOf } from './s3-errors.js'

/** For an attempt that began before time was up. */
const GRACE_MS = 3000

interface Right {
  /** IAM's name of it. */
  name: string
  /** Whether it is a right on the bucket, or on the objects in it. */
  on: 'bucket' | 'objects'
  /** We can do without it: only trouble that may pass is told. */
  isOptional?: true
  prove(abortSignal: AbortSignal): Promise<unknown>
}

/**
 * Tries everything that the store does, on a key of its own, which it deletes.
 *
 * Throws one UNAVAILABLE whose detail is for the operator: every right that is missing, or what else is wrong with bucket,
 * endpoint, credentials or region, and the setting to mend.
 *
 * @returns whether the server copies parts, the one thing that it may refuse
 */
export async function proveRights(bucket: Bucket): Promise<{ canCopyParts: boolean }> {
  const missing: string[] = []
  let canCopyParts = false
  const copied = () => {
    canCopyParts = true
  }
  for (const right of rightsToProve(bucket, copied)) {
    const symptom = await troubleWith(bucket, right)
    if (symptom === null || (right.isOptional && !isPassing(symptom))) continue
    if (!isDenied(symptom)) throw unavailable(explain(symptom, bucket.settings), symptom, right.name)
    missing.push(`${right.name} on ${resource(right, bucket.settings)}`)
  }
  if (missing.length === 0) return { canCopyParts }
  throw new AppError(
    'UNAVAILABLE',
    `The S3 credentials may not do all that is needed. Allow them: ${missing.join(', ')}.`,
  )
}

/**
 * In an order in which each can be tried even if those before it failed.
 *
 * @param copied is called when the server has copied a part
 */
function rightsToProve(bucket: Bucket, copied: () => void): Right[] {
  const { client, name: Bucket } = bucket
  // An id like any other, so that the sweep finds what a crash in here leaves behind.
  const id = randomBytes(16).toString('hex')
  const piece = { Bucket, Key: bucket.key(`tmp/${id}/probe`) }
  const object = { Bucket, Key: bucket.key(`objects/${id}`) }
  let UploadId: string | undefined
  let emptyAnswers = 0
  return [
    {
      name: 's3:ListBucket',
      on: 'bucket',
      prove: (abortSignal) =>
        client.listObjectsV2({ Bucket, Prefix: bucket.key('tmp/'), MaxKeys: 1 }, { abortSignal }),
    },
    {
      name: 's3:PutObject',
      on: 'objects',
      prove: async (abortSignal) => {
        await client.putObject({ ...piece, Body: Buffer.from('antipasto') }, { abortSignal })
        UploadId = (await client.createMultipartUpload(object, { abortSignal })).UploadId
      },
    },
    {
      name: 's3:GetObject',
      on: 'objects',
      prove: async (abortSignal) => {
        const { Body } = await client.getObject(piece, { abortSignal })
        await Body?.transformToByteArray()
      },
    },
    {
      name: 'UploadPartCopy',
      on: 'objects',
      isOptional: true,
      prove: async (abortSignal) => {
        if (UploadId === undefined) return
        const CopySource = copySource(Bucket, piece.Key)
        try {
          await client.uploadPartCopy({ ...object, UploadId, PartNumber: 1, CopySource }, { abortSignal })
          copied()
        } catch (error) {
          // What a server answers that doesn't know the header, and takes it for a part without bytes.
          if (isEmptyAnswer(error)) emptyAnswers += 1
          if (emptyAnswers < 3) throw error
        }
      },
    },
    {
      name: 's3:DeleteObject',
      on: 'objects',
      prove: (abortSignal) => client.deleteObject(piece, { abortSignal }),
    },
    {
      name: 's3:ListBucketMultipartUploads',
      on: 'bucket',
      prove: (abortSignal) =>
        client.listMultipartUploads(
          { Bucket, Prefix: bucket.key('objects/'), MaxUploads: 1 },
          { abortSignal },
        ),
    },
    {
      name: 's3:AbortMultipartUpload',
      on: 'objects',
      prove: async (abortSignal) => {
        if (UploadId !== undefined)
          await client.abortMultipartUpload({ ...object, UploadId }, { abortSignal })
      },
    },
  ]
}

/** A 200 without a body, of which the SDK makes a 503; a gateway's own 503 looks the same. */
function isEmptyAnswer(error: unknown): boolean {
  const symptom = symptomOf(error)
  return symptom !== null && symptom.code === undefined && symptom.httpStatus === 503
}

/** What S3 had against it; null for nothing. NOT_FOUND is nothing: the right is there, the probe wasn't. */
async function troubleWith(bucket: Bucket, right: Right): Promise<S3Symptom | null> {
  const { startMs } = bucket.timing
  const silent = new AppError('UNAVAILABLE', doesNotAnswer(bucket.settings), { retryAfterSeconds: 5 })
  const deadline = new AbortController()
  // A server that listens and says nothing is waited for no longer than one that isn't there.
  const timer = setTimeout(() => deadline.abort(silent), startMs + GRACE_MS)
  try {
    const timing = { attempts: Infinity, giveUpMs: startMs }
    await bucket.send(right.name, right.prove, { timing, signal: deadline.signal })
    return null
  } catch (error) {
    if (!isAppError(error) || !(error.cause instanceof S3Failure)) {
      const symptom = right.isOptional ? symptomOf(error) : null
      if (symptom === null) throw error
      return symptom
    }
    return error.code === 'NOT_FOUND' ? null : error.cause.symptom
  } finally {
    clearTimeout(timer)
  }
}

function isDenied({ code, httpStatus }: S3Symptom): boolean {
  return code === 'AccessDenied' || (code === undefined && httpStatus === 403)
}

function resource({ on }: Right, { bucket, prefix }: S3Settings): string {
  return on === 'bucket' ? `arn:aws:s3:::${bucket}` : `arn:aws:s3:::${bucket}/${prefix}/*`
}

function serverOf({ endpoint, region }: S3Settings): string {
  return endpoint === undefined ? `Amazon S3 in ${region}` : `The S3 server ${endpoint}`
}

function doesNotAnswer(settings: S3Settings): string {
  return `${serverOf(settings)} does not answer. Mend S3_ENDPOINT, or what stands between.`
}

/** For the operator: what is wrong, and what to mend. Pure. */
export function explain(symptom: S3Symptom, settings: S3Settings): string {
  const { code, httpStatus, connection, message } = symptom
  const server = serverOf(settings)
  switch (connection ?? code) {
    case 'NoSuchBucket':
      return `${server} has no bucket "${settings.bucket}". Make it, or mend S3_BUCKET.`
    case 'CredentialsProviderError':
    case 'TokenProviderError':
      return `No S3 credentials were found. Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile that exists, or give this machine a role. (${message})`
    case 'InvalidAccessKeyId':
      return `${server} does not know the key AWS_ACCESS_KEY_ID. Mend it.`
    case 'SignatureDoesNotMatch':
      return `${server} refuses the signature. Mend AWS_SECRET_ACCESS_KEY; if it is right, S3_REGION or a proxy that changes the Host header.`
    case 'ExpiredToken':
    case 'InvalidToken':
    case 'TokenRefreshRequired':
      return `${server} says that the credentials have expired. Renew them (AWS_SESSION_TOKEN).`
    case 'RequestTimeTooSkewed':
      return `${server} says that this machine's clock is wrong. Set it.`
    case 'AuthorizationHeaderMalformed':
    case 'InvalidRegion':
    case 'IllegalLocationConstraintException':
    case 'PermanentRedirect':
    case 'TemporaryRedirect':
      return `The bucket "${settings.bucket}" is in another region than S3_REGION=${settings.region}. Mend it. The server says: ${message}`
    default:
  }
  if (httpStatus === 301 || httpStatus === 307) {
    return `${server} says that the bucket "${settings.bucket}" is elsewhere. Mend S3_REGION or S3_ENDPOINT.`
  }
  if (connection === 'TimeoutError') return doesNotAnswer(settings)
  if (connection === 'EPROTO') {
    return `${server} does not speak TLS as it should. If it is meant to speak http, say so in S3_ENDPOINT.`
  }
  if (connection !== undefined) {
    return `${server} cannot be reached (${connection}: ${message}). Start it, or mend S3_ENDPOINT.`
  }
  if (code === undefined && httpStatus !== undefined && httpStatus < 500) {
    return `What answers as ${server.replace(/^The /, 'the ')} is not S3 (${httpStatus}). Mend S3_ENDPOINT or S3_FORCE_PATH_STYLE.`
  }
  return `${server} does not serve (${[code, httpStatus].filter(Boolean).join(' ')}: ${message}). Mend it, and start again.`
}

/** What may pass by itself says when to try again; the rest waits for an operator. */
function unavailable(detail: string, symptom: S3Symptom, operation: string): AppError {
  const cause = new S3Failure(operation, symptom)
  return new AppError('UNAVAILABLE', detail, {
    cause,
    ...(isPassing(symptom) ? { retryAfterSeconds: 5 } : {}),
  })
}
