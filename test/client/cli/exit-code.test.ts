import { describe, expect, test } from '@jest/globals'
import { CommanderError } from 'commander'
import {
  apiError,
  ConnectionFailed,
  DigestMismatch,
  ForeignAnswer,
  LocalFileDiffers,
} from '../../../client/api/errors.js'
import {
  CommandFailed,
  EXIT,
  exitCodeOf,
  exitCodeOfMany,
  Interrupted,
} from '../../../client/cli/exit-code.js'
import { failureLine, failureOf } from '../../../client/cli/failure.js'

const unauthorized = apiError('UNAUTHORIZED', 'This key is unknown.', { status: 401 })
const notFound = apiError('NOT_FOUND', 'There is no upload x.', { status: 404, requestId: 'r1' })

describe('each error has its exit code and its code for programs', () => {
  test.each<[unknown, number, string]>([
    [unauthorized, 4, 'UNAUTHORIZED'],
    [apiError('FORBIDDEN', 'No.', { status: 403 }), 4, 'FORBIDDEN'],
    [notFound, 1, 'NOT_FOUND'],
    [apiError('GONE', 'Gone.', { status: 410 }), 1, 'GONE'],
    [apiError('HASH_MISMATCH', 'Other bytes.', { status: 422 }), 5, 'HASH_MISMATCH'],
    [apiError('SOMETHING_NEW', 'New.', { status: 418 }), 1, 'SOMETHING_NEW'],
    [new DigestMismatch('Other bytes.'), 5, 'DIGEST_MISMATCH'],
    [new LocalFileDiffers('Changed.'), 5, 'LOCAL_FILE_DIFFERS'],
    [new ConnectionFailed('Broke.', { code: 'ECONNRESET' }), 1, 'CONNECTION_FAILED'],
    [new ForeignAnswer('A web page answered.', 200), 1, 'FOREIGN_ANSWER'],
    [new Interrupted(), 130, 'INTERRUPTED'],
    [new CommandFailed('No URL.', { exitCode: EXIT.usage }), 2, 'USAGE'],
    [new CommandFailed('Nope.'), 1, 'FAILED'],
    [new CommanderError(1, 'commander.unknownOption', 'error'), 2, 'FAULT'],
    [new TypeError('x is undefined'), 1, 'FAULT'],
    ['a text', 1, 'FAULT'],
  ])('%p: %i, %s', (error, exitCode, code) => {
    expect(exitCodeOf(error)).toBe(exitCode)
    if (code !== 'FAULT' || !(error instanceof CommanderError)) expect(failureOf(error).code).toBe(code)
  })
})

test('of many: 0 when none failed, 3 when some did, else what they all have in common', () => {
  expect(exitCodeOfMany(3, [])).toBe(0)
  expect(exitCodeOfMany(3, [notFound])).toBe(3)
  expect(exitCodeOfMany(2, [notFound, notFound])).toBe(1)
  expect(exitCodeOfMany(2, [unauthorized, unauthorized])).toBe(4)
  expect(exitCodeOfMany(2, [unauthorized, notFound])).toBe(1)
})

describe('one line', () => {
  test('says what to do about a credential, by where it came from', () => {
    const line = (source: Parameters<typeof failureOf>[1]) => failureLine(failureOf(unauthorized, source))
    expect(line(null)).toMatch(/^This key is unknown\. Sign in with `antipasto login`, or give a key/)
    expect(line('flag')).toMatch(/--token/)
    expect(line('environment')).toMatch(/ANTIPASTO_TOKEN\.$/)
    expect(line('token file')).toMatch(/ANTIPASTO_TOKEN_FILE/)
    expect(line('config file')).toMatch(/again with `antipasto login`/)
  })

  test('names the request of a fault of the server', () => {
    const fault = apiError('INTERNAL', 'A fault.', { status: 500, requestId: 'r-17' })
    expect(failureLine(failureOf(fault))).toBe('A fault. (request r-17)')
  })

  test('is one line, whatever the server said', () => {
    const hostile = apiError('CONFLICT', 'first\nsecond\u001b[2J\u202e', { status: 409 })
    expect(failureLine(failureOf(hostile))).toBe('first\\nsecond\\x1b[2J\\u202e')
  })

  test.each([
    [{ code: 'ENOENT', path: '/a/b' }, "/a/b is not there, or the folder that it should be in isn't."],
    [{ code: 'EACCES', path: '/a/b' }, 'You may not read or write /a/b.'],
    [
      { code: 'EMFILE' },
      'A file could not be opened: too many files are open. Send or fetch fewer at a time.',
    ],
    [{ code: 'EXOTIC' }, 'A file could not be read or written (EXOTIC).'],
  ])('of the system: %j is %j', (facts, line) => {
    const error = Object.assign(new Error(`${facts.code} happened`), { syscall: 'open', ...facts })
    expect(failureOf(error)).toEqual({ code: facts.code, message: line, request_id: null, hint: null })
    expect(exitCodeOf(error)).toBe(1)
  })

  test('a fault of ours is called one', () => {
    expect(failureLine(failureOf(new TypeError('x is undefined')))).toMatch(
      /^A fault of this program: x is undefined Run it again with --verbose/,
    )
  })
})
