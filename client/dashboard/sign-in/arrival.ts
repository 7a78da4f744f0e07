// How this page was come to, looked at before any other module of the page is run: the address may hold a token or a key, and
// they are struck from it first of all. main.tsx imports this file first.

import { takeKeyFromAddress } from './key-in-address.js'
import { arrive } from './trip.js'

export const arrival = arrive()

/** From the address; null: there was none. */
export const keyInAddress = takeKeyFromAddress()
