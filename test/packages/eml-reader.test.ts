import { describe, expect, test } from '@jest/globals'
import { isAppError } from '../../server/errors.js'
import { EmlReader, type SourceElement } from '../../server/packages/eml-reader.js'
import { textOf } from '../../server/packages/eml-text.js'
import fc from '../support/properties.js'

const NAMESPACE = 'https://eml.ecoinformatics.org/eml-2.2.0'
const MEBIBYTE = 2 ** 20

function read(text: string): SourceElement[] {
  const reader = new EmlReader(text)
  while (reader.step());
  return reader.entities
}

const eml = (content: string, before = '') => `${before}<e:eml xmlns:e="${NAMESPACE}">${content}</e:eml>`

/** The refusal of `text`, as `line:column detail`. */
function refusalOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (!isAppError(error, 'INVALID_INPUT')) throw error
    return `${error.details?.line}:${error.details?.column} ${error.detail}`
  }
  return 'taken'
}

describe('what is not well-formed', () => {
  test.each([
    ['', '1:1 ', 'document must contain a root element'],
    ['not xml', '1:', 'text data outside of root node'],
    ['{"eml": true}', '1:', 'text data outside of root node'],
    [eml('<dataset>\n  <title>x</dataset>'), '2:', 'unexpected close tag'],
    [eml('<a b="1" b="2"/>'), '1:', 'duplicate attribute'],
    [eml('<a b=1/>'), '1:', 'unquoted attribute value'],
    [eml('<a b="<"/>'), '1:', 'disallowed character'],
    [eml('a\0b'), '1:', 'disallowed character'],
    [eml('\n\n&#0;'), '3:', 'malformed character entity'],
    [eml('&#xD800;'), '1:', 'malformed character entity'],
    [eml('&nbsp;'), '1:', 'undefined entity'],
    [eml('&toString;'), '1:', 'undefined entity'],
    [eml(']]>'), '1:', 'disallowed in char data'],
    [eml('<!-- a -- b -->'), '1:', 'malformed comment'],
    [eml('<x:a/>'), '1:', 'the prefix "x" isn\'t declared'],
    [eml('<a x:b="1"/>'), '1:', 'the prefix "x" isn\'t declared'],
    [eml('<a xmlns:x="u"/><x:a/>'), '1:', 'the prefix "x" isn\'t declared'],
    [eml('<a:b:c/>'), '1:', '"a:b:c" isn\'t a name'],
    [`${eml('')}<more/>`, '1:', 'only one root'],
    [eml('').slice(0, -3), '1:', 'unclosed tag'],
    [` <?xml version="1.0"?>${eml('')}`, '1:', 'must be at the start'],
  ])('%j is refused with its place', (text, place, problem) => {
    const refusal = refusalOf(() => read(text))
    expect(refusal).toContain(problem)
    expect(refusal.startsWith(place)).toBe(true)
    expect(refusal).toMatch(/ \(line \d+, column \d+\)\. Correct it and send the document again\.$/)
  })

  test('is placed to the character, across the steps of reading', () => {
    const text = eml(`<title>${'é\n'.repeat(100_000)}  </titel></title>`)
    expect(refusalOf(() => read(text))).toMatch(/^100001:11 /)
  })
})

describe('what is not EML', () => {
  test.each([
    '<eml/>',
    '<e:eml xmlns:e="urn:other"/>',
    `<e:dataset xmlns:e="${NAMESPACE}"/>`,
    '<e:eml xmlns:e="https://eml.ecoinformatics.org/eml-2.2.0x"/>',
    '<html xmlns="http://www.w3.org/1999/xhtml"/>',
  ])('%j is refused', (text) => {
    expect(refusalOf(() => read(text))).toContain('The document is not EML')
  })

  test.each([
    NAMESPACE,
    'https://eml.ecoinformatics.org/eml-2.3.0',
    'eml://ecoinformatics.org/eml-2.1.1',
    'eml://ecoinformatics.org/eml-2.0.1',
  ])('%s is EML', (namespace) => {
    expect(read(`<eml xmlns="${namespace}"><dataset><view/></dataset></eml>`)).toHaveLength(1)
  })
})

describe('what is built to do harm', () => {
  const laughs = `<!DOCTYPE lolz [<!ENTITY a "ha">${'bcdefghij'
    .split('')
    .map((letter, at) => `<!ENTITY ${letter} "${`&${'abcdefghij'[at]};`.repeat(10)}">`)
    .join('')}]>`

  test.each([
    ['an external entity', eml('&x;', '<!DOCTYPE e [<!ENTITY x SYSTEM "file:///etc/passwd">]>')],
    ['a billion laughs', eml('&j;', laughs)],
    ['an external subset', eml('', '<!DOCTYPE eml SYSTEM "http://127.0.0.1/eml.dtd">')],
    ['a DOCTYPE of no use', eml('', '<!DOCTYPE eml>')],
  ])('%s is refused for its DOCTYPE', (_what, text) => {
    expect(refusalOf(() => read(`<?xml version="1.0"?>\n ${text}`))).toMatch(/^2:2 .*has a DOCTYPE/)
  })

  test('the word DOCTYPE where it is text or a comment is fine', () => {
    const text = eml('<dataset><!-- <!DOCTYPE a> --><title><![CDATA[<!DOCTYPE a>]]></title><view/></dataset>')
    expect(read(text)).toHaveLength(1)
  })

  test.each([
    ['10,000 levels', eml('<a>'.repeat(10_000)), 'nested more than 256 deep'],
    ['a huge attribute', eml(`<a b="${'x'.repeat(70_000)}"/>`), 'more than 65536 characters'],
    [
      'a huge value',
      eml(`<dataset><view><entityName>${'\r'.repeat(300_000)}</entityName></view></dataset>`),
      'entityName has more than 65536 characters',
    ],
    [
      'a huge comment before the root',
      `<!--${' '.repeat(2 * MEBIBYTE)}-->${eml('')}`,
      'not begin with an element',
    ],
    ['a huge DTD', `<!DOCTYPE a [${'<!-'.repeat(MEBIBYTE)}]>${eml('')}`, 'not begin with an element'],
    [
      'very many attributes',
      eml(`<a ${Array.from({ length: 5_000 }, (_, at) => `a${at}=""`).join(' ')}/>`),
      'more than 1000 attributes',
    ],
    [
      'very many entities',
      eml(`<dataset>${'<view/>'.repeat(50_000)}</dataset>`),
      'more than 40000 entities and physicals',
    ],
    [
      'very many physicals',
      eml(`<dataset><view>${'<physical/>'.repeat(50_000)}</view></dataset>`),
      'more than 40000 entities and physicals',
    ],
    [
      'a physical of very many parts',
      eml(`<dataset><view><physical>${'<size/>'.repeat(300_000)}</physical></view></dataset>`),
      'too many parts',
    ],
  ])('%s is refused', (_what, text, problem) => {
    expect(refusalOf(() => read(text))).toContain(problem)
  })

  const times = (text: string) => text.repeat(Math.floor((2 * MEBIBYTE) / text.length))
  test.each([
    ['small elements in 250 levels', eml('<a>'.repeat(250) + times('<b/>') + '</a>'.repeat(250))],
    ['entities', eml(times('&amp;'))],
    ['line ends', eml(times('\r'))],
    ['a comment', eml(`<!--${times('- ')}-->`)],
    ['text', eml(times('x'))],
    ['an attribute', eml(`<a b="${times('x')}"/>`)],
    ['declarations', eml(times('<a xmlns:b="c" b:d=""/>'))],
    ['an unclosed tag', eml(`<a${times(' ')}`)],
    [
      'an EML attribute list',
      eml(times('<attribute id="a">\n  <attributeName>site</attributeName>\n</attribute>\n')),
    ],
  ])('2 MiB of %s take their time in proportion, in steps of some milliseconds', (_what, text) => {
    const start = performance.now()
    let longest = 0
    refusalOf(() => {
      const reader = new EmlReader(text)
      for (;;) {
        const before = performance.now()
        const isMore = reader.step()
        longest = Math.max(longest, performance.now() - before)
        if (!isMore) return
      }
    })
    // Ten times what it takes here, for machines that are busy with other tests; what is quadratic takes far longer.
    expect(performance.now() - start).toBeLessThan(6_000)
    expect(longest).toBeLessThan(1_000)
  })

  test('nothing that is sent makes it fail in another way', () => {
    const piece = fc.constantFrom(
      ...[
        '<',
        '>',
        '/',
        '!',
        '?',
        '[',
        ']',
        '-',
        '"',
        "'",
        '=',
        '&',
        ';',
        ' ',
        '\n',
        '\0',
        'a',
        'x:',
        '\ufeff',
      ],
      ...[
        '<!--',
        '-->',
        '<![CDATA[',
        ']]>',
        '<!DOCTYPE',
        '<?xml ',
        '?>',
        '</',
        '/>',
        '&amp;',
        '&#x0;',
        'xmlns:x="u"',
      ],
      ...[
        '<dataset>',
        '</dataset>',
        '<dataTable>',
        '<physical>',
        '<objectName>',
        '</objectName>',
        '</e:eml>',
      ],
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.boolean(), (pieces, isInside) => {
        const text = pieces.join('')
        expect(refusalOf(() => read(isInside ? eml(text) : text))).toMatch(/^(taken$|\d+:\d+ )/)
      }),
      { numRuns: 3_000 },
    )
  })
})

describe('bytes', () => {
  const bytes = (...parts: (string | number[])[]) =>
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))

  test('in UTF-8 are the text, with its byte order mark', () => {
    const text = '\ufeff<a>ü€😀\r\n</a>'
    expect(textOf(Buffer.from(text))).toBe(text)
    expect(Buffer.from(textOf(Buffer.from(text)))).toEqual(Buffer.from(text))
  })

  test.each([
    ['ISO 8859-1', bytes('<a>\nL', [0xfc], 'neburg</a>'), /^2:2 .*not UTF-8/],
    ['a broken character', bytes('<a>ü', [0xe2, 0x82]), /^1:5 .*not UTF-8/],
    ['a surrogate', bytes('\n\n', [0xed, 0xa0, 0x80]), /^3:1 .*not UTF-8/],
    ['an overlong character', bytes('ab', [0xc0, 0xaf], 'cd'), /^1:3 .*not UTF-8/],
    ['UTF-16', Buffer.from('\ufeff<a/>', 'utf16le'), /^1:1 .*in UTF-16/],
  ])('in %s are refused with their place', (_what, document, refusal) => {
    expect(refusalOf(() => textOf(document))).toMatch(refusal)
  })

  test('that say they are in another encoding are refused', () => {
    const text = eml('', '<?xml version="1.0" encoding="ISO-8859-1"?>')
    expect(refusalOf(() => read(text))).toMatch(/^1:.*says that it is in ISO-8859-1.*Save it in UTF-8/)
    expect(read(eml('', "<?xml version='1.0' encoding='utf-8' standalone='yes'?>"))).toEqual([])
  })
})
