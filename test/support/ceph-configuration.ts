// What makes a Ceph small, private and quick to start.

import { randomUUID } from 'node:crypto'

interface Ceph {
  /** Everything it writes is under it. */
  readonly folder: string
  readonly gatewayPort: number
  readonly monitorPort: number
}

/** A ceph.conf. */
export function cephConfiguration({ folder, gatewayPort, monitorPort }: Ceph): string {
  return `[global]
fsid = ${randomUUID()}
mon initial members = a
mon host = v2:127.0.0.1:${monitorPort}
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
public addr = 127.0.0.1
ms bind ipv6 = false
# It is on loopback, and gone in minutes.
auth cluster required = none
auth service required = none
auth client required = none
# One copy of everything.
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 1
mon data avail crit = 1
# A cluster of one has nobody to wait for: the gateway's first start makes pools one by one, a second each otherwise.
paxos propose interval = 0.05
paxos min wait = 0.01
run dir = ${folder}
log file = ${folder}/log/$name.log
admin socket = ${folder}/$name.asok
pid file = ${folder}/$name.pid
crash dir = ${folder}/log

[mon]
mon data = ${folder}/mon
mon cluster log file = ${folder}/log/cluster.log
auth allow insecure global id reclaim = true

[osd]
osd data = ${folder}/osd
osd objectstore = memstore
# A bound, not a reservation.
memstore device bytes = 12884901888
# A new bucket waits until every gateway has heard of it, a killed one as well: for 30 s otherwise.
osd client watch timeout = 3
# The folder's file system may not allow the names that a real OSD would need.
osd max object name len = 256
osd max object namespace len = 64

[client]
# Without crc the gateway waits for ever: "get_initial_auth_request returned -13".
ms mon client mode = crc
rgw data = ${folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:${gatewayPort}
rgw enable apis = s3, admin
# Deleted bytes would stay in memory for two hours.
rgw gc obj min wait = 5
rgw gc processor period = 5
rgw gc processor max time = 5
`
}
