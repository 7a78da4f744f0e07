// One client that reads: reports, lists, offsets, and files by their URLs as PASTA does, whole and in part, compared byte by byte.

import type { Report } from '../../../server/uploads/report.js'
import { nameOf, type Sent } from '../oracle.js'
import { type Random, randomFrom } from '../random.js'
import type { Client } from './client.js'
import { type Answer, type Asked, isPassing, jsonOf, offsetIn, RunOver } from './connection.js'
import { ContentComparison } from './content.js'
import { reportFor } from './outcome.js'

/** As Java's HttpURLConnection asks. */
const PASTA_HEADERS = { 'user-agent': 'Java/17.0.15', accept: 'text/html, image/gif, image/jpeg, */*; q=0.2' }

/** Which bytes of a file are asked for; null: all. */
type Range = readonly [firstByte: number, lastByte: number] | null

export async function read(
  client: Client,
  { seed, number, enough }: { seed: number; number: number; enough: AbortSignal },
): Promise<void> {
  const random = randomFrom(seed).fork(`reader ${number}`)
  try {
    while (!enough.aborted) {
      await readSomething(client, random)
      await client.connection.rest(random.integer(20, 250))
    }
  } catch (error) {
    // A reader has nothing to bring to an end.
    if (!(error instanceof RunOver)) throw error
  }
}

async function readSomething(client: Client, random: Random): Promise<void> {
  const share = random.next()
  const chosen = random.next()
  if (share < 0.15) return readList(client)
  const all = client.oracle.sent.filter(({ place }) => place === client.place)
  const ready = all.filter(isUntouched)
  const readable = ready[Math.floor(chosen * ready.length)]
  if (share < 0.75) {
    if (readable !== undefined) await readFile(client, readable, drawRange(random, readable.plan.sizeBytes))
    return
  }
  const any = all[Math.floor(chosen * all.length)]
  if (any === undefined || any.isPartial) return
  if (share < 0.9) await readReport(client, any)
  else await readOffset(client, any)
}

/** Ready, and nobody has planned to delete it. */
function isUntouched({ isReadySeen, isPartial, deletion, plan, isDone }: Sent): boolean {
  return (
    isReadySeen &&
    !isPartial &&
    deletion === 'none' &&
    (plan.fate.kind === 'kept' || (plan.fate.kind === 'undone' && isDone))
  )
}

function drawRange(random: Random, sizeBytes: number): Range {
  const isWhole = random.next() < 0.4
  const [one, other] = [
    random.integer(0, Math.max(0, sizeBytes - 1)),
    random.integer(0, Math.max(0, sizeBytes - 1)),
  ]
  return isWhole || sizeBytes === 0 ? null : [Math.min(one, other), Math.max(one, other)]
}

/** Goes on where it broke, as a download does that can; what came is compared at once. */
async function readFile(client: Client, sent: Sent, range: Range): Promise<void> {
  const path = sent.retrievalPath
  if (path === null) return
  const [firstByte, lastByte] = range ?? [0, sent.plan.sizeBytes - 1]
  const comparison = new ContentComparison(sent.plan.key, firstByte)
  client.oracle.count(range === null ? 'file read' : 'range read')
  for (let tried = 0; ; tried += 1) {
    const isWhole = range === null && comparison.offset === 0
    const bytes = isWhole ? {} : { range: `bytes=${comparison.offset}-${lastByte}` }
    const asked: Asked = {
      ...{ method: 'GET', path, headers: { ...PASTA_HEADERS, ...bytes }, isAnonymous: true },
      watch: (piece) => comparison.add(piece),
    }
    const fromBytes = comparison.offset
    const answer = await client.connection.ask(asked)
    client.oracle.readBytes += comparison.offset - fromBytes
    if (comparison.firstWrong !== null) {
      return client.oracle.violate(
        'wrong bytes',
        `${nameOf(sent)}: byte ${comparison.firstWrong} of ${path} is another.`,
      )
    }
    if (comparison.offset > lastByte) return
    // Tidied away meanwhile.
    if (sent.deletion !== 'none') return
    if (answer !== null && !isPassing(answer)) return judgeUnread(client, sent, answer, comparison.offset)
    await client.connection.pause(tried)
  }
}

function judgeUnread(client: Client, sent: Sent, answer: Answer, offset: number): void {
  client.oracle.violate(
    'file not answered',
    `${nameOf(sent)}: ${sent.retrievalPath} answered ${answer.status} at byte ${offset}: ${answer.body}`,
  )
}

async function readReport(client: Client, sent: Sent): Promise<void> {
  const wasReady = sent.isReadySeen && isUntouched(sent)
  const report = await reportFor(client, sent)
  client.oracle.count('report read')
  if (wasReady && sent.deletion === 'none' && report.state !== 'ready') {
    client.oracle.violate(
      'ready taken back',
      `${nameOf(sent)} was ready, and is ${report.state}: ${JSON.stringify(report.error)}`,
    )
  }
}

/** What a tus client asks after it has been away. */
async function readOffset(client: Client, sent: Sent): Promise<void> {
  // HEAD ends the request that writes it, as a client's own does: that is another test's subject, and slows this one's load.
  if (!sent.isDone || !isUntouched(sent)) return
  const leastBytes = sent.acknowledgedBytes
  const headers = { 'tus-resumable': '1.0.0' }
  const answer = await client.connection.persist(() => ({
    method: 'HEAD',
    path: `/uploads/${sent.id}`,
    headers,
  }))
  client.oracle.count('offset read')
  const offset = offsetIn(answer)
  if (answer.status === 200 && offset !== null) {
    client.oracle.offsetTold(sent, offset, { leastBytes, mostBytes: sent.plan.sizeBytes })
  } else if (sent.deletion === 'none')
    client.oracle.violate('unexpected refusal', `HEAD of ${nameOf(sent)}, which is ready: ${answer.status}`)
}

/** The newest, to the end of a page: none twice, each in a state that it may have. */
async function readList(client: Client): Promise<void> {
  const { oracle } = client
  const before = new Map(oracle.sent.map((sent) => [sent.id, sent.isReadySeen && isUntouched(sent)]))
  const answer = await client.connection.persist(() => ({
    method: 'GET',
    path: '/uploads?limit=50&sort=-created_at',
  }))
  oracle.count('list read')
  if (answer.status !== 200)
    return oracle.violate('unexpected refusal', `a list: ${answer.status} ${answer.body}`)
  const { items } = jsonOf<{ items: Report[] }>(answer)
  const ids = new Set(items.map(({ id }) => id))
  if (ids.size !== items.length) oracle.violate('listed twice', items.map(({ id }) => id).join(' '))
  for (const { id, state } of items) {
    if (before.get(id) === true && state !== 'ready' && oracle.find(id)?.deletion === 'none') {
      oracle.violate('ready taken back', `upload ${id} was ready, and is listed as ${state}.`)
    }
  }
}
