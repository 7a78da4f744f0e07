// Progress that nobody wants to see: with --quiet, and with --json, whose lines say it all. What went wrong is said.

import type { Progress } from './progress.js'

export function silentProgress(warn: (line: string) => void): Progress {
  return { begin() {}, resume() {}, move() {}, end() {}, total() {}, note() {}, warn, close() {} }
}
