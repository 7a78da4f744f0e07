// @tus/server as its README shows it, for what a test must see it do wrong. Prints its port; ends with its stdin.

import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { FileStore } from '@tus/file-store'
import { Server } from '@tus/server'

const tus = new Server({ path: '/uploads', datastore: new FileStore({ directory: process.argv[2] ?? '' }) })
const server = http.createServer((request, response) => tus.handle(request, response))
server.listen(0, '127.0.0.1', () => console.log(`port=${(server.address() as AddressInfo).port}`))
process.stdin.resume().on('end', () => process.exit())
