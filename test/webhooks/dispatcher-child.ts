// A process that does nothing but dispatch, for tests that kill it: `node dispatcher-child.js DATABASE_URL`. Says "ready".

import { openDatabase } from '../../server/database/client.js'
import { EventOrder } from '../../server/events/order.js'
import { EventTail } from '../../server/events/tail.js'
import { createLog } from '../../server/ops/log.js'
import { Dispatcher } from '../../server/webhooks/dispatcher.js'
import { FanOut } from '../../server/webhooks/fan-out.js'
import { WebhookRecords } from '../../server/webhooks/records.js'
import { newSender, QUICK } from './ground.js'

const [databaseUrl = ''] = process.argv.slice(2)
const { prisma } = await openDatabase(databaseUrl)
const records = new WebhookRecords(prisma)
const fanOut = new FanOut(records, new EventTail(new EventOrder(prisma)))
const log = createLog({ level: 'silent' })
new Dispatcher({ records, fanOut, sender: newSender({ timeoutSeconds: 1 }), log, backoff: QUICK }).start()
console.log('ready')
setInterval(() => {}, 60_000)
