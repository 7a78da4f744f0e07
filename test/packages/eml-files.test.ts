import { describe, expect, test } from '@jest/globals'
import { type PackageFile, PackageFiles } from '../../server/packages/eml-files.js'

function file(path: string, name = path.split('/').at(-1)!): PackageFile {
  return { uploadId: `id of ${path}`, path, name, facts: null }
}

const found = (files: PackageFiles, text: string) => {
  const file = files.find(text)
  return typeof file === 'object' ? file.path : file
}

describe('a name in a document', () => {
  const files = new PackageFiles([
    file('data.csv'),
    file('2024/data.csv'),
    file('2024/temperature.csv'),
    file('2023/x.csv', 'Temperature 2023.csv'),
    file('raw/Mu\u0308ggel.csv'),
    file('a/same'),
    file('b/same'),
    file(' spaced '),
  ])

  test.each([
    ['data.csv', 'data.csv'],
    ['2024/data.csv', '2024/data.csv'],
    ['\n  2024/data.csv\t', '2024/data.csv'],
    ['temperature.csv', '2024/temperature.csv'],
    ['Temperature 2023.csv', '2023/x.csv'],
    ['x.csv', '2023/x.csv'],
    ['M\u00fcggel.csv', 'raw/Mu\u0308ggel.csv'],
    ['raw/M\u00fcggel.csv', 'raw/Mu\u0308ggel.csv'],
    [' spaced ', ' spaced '],
    ['same', 'ambiguous'],
    ['b/same', 'b/same'],
    ['DATA.CSV', undefined],
    ['nothing', undefined],
    ['', undefined],
    ['constructor', undefined],
  ])('%j means %j', (text, path) => {
    expect(found(files, text)).toBe(path)
  })

  test('that is written for a file leads back to it', () => {
    for (const one of files.all) expect(files.find(files.objectNameOf(one))).toBe(one)
    expect(files.objectNameOf(file('no name', ' '))).toBe('no name')
  })

  test('is the file’s name where that is enough, and its path where it isn’t', () => {
    expect(files.all.map((one) => files.objectNameOf(one))).toEqual([
      'data.csv',
      '2024/data.csv',
      'temperature.csv',
      'Temperature 2023.csv',
      'Mu\u0308ggel.csv',
      'a/same',
      'b/same',
      ' spaced ',
    ])
  })
})
