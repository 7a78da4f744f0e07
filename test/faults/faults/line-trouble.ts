// What can happen to a TCP connection's way, whoever is at its ends.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../random.js'
import type { Line } from '../stage/stage.js'
import type { Undo } from './fault.js'

export interface LineTrouble {
  readonly parameters: Readonly<Record<string, string | number>>
  readonly lastsMs: number
  begin(lines: readonly Line[]): Promise<Undo>
}

/** @param longestDelayMs what the protocol on it bears: a query waits once, an upload for each 64 KiB */
export function drawLineTrouble(random: Random, longestDelayMs: number): LineTrouble {
  const way = random.pick(['cut', 'cut', 'sever', 'stall', 'delay'] as const)
  switch (way) {
    case 'cut': {
      const pauses = Array.from({ length: random.integer(1, 4) }, () => random.integer(50, 900))
      return {
        parameters: { way, times: pauses.length },
        lastsMs: pauses.reduce((sum, pauseMs) => sum + pauseMs, 0),
        begin: async (lines) => {
          const cuts = cutAgainAndAgain(lines, pauses)
          return () => cuts
        },
      }
    }
    case 'sever':
    case 'stall':
      return {
        parameters: { way },
        lastsMs: random.integer(300, way === 'sever' ? 3_000 : 6_000),
        begin: async (lines) => {
          for (const line of lines) line[way]()
          return async () => mendAll(lines)
        },
      }
    case 'delay': {
      const delayMs = random.integer(5, longestDelayMs)
      return {
        parameters: { way, delayMs },
        lastsMs: random.integer(1_000, 6_000),
        begin: async (lines) => {
          for (const line of lines) line.delay(delayMs)
          return async () => mendAll(lines)
        },
      }
    }
  }
}

async function cutAgainAndAgain(lines: readonly Line[], pauses: readonly number[]): Promise<void> {
  for (const pauseMs of pauses) {
    for (const line of lines) line.cut()
    await sleep(pauseMs)
  }
}

function mendAll(lines: readonly Line[]): void {
  for (const line of lines) line.mend()
}
