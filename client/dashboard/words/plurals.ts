// One or many, as the language has it. Pure.

type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string }

/** `plural(3, { one: '1 file', other: '3 files' })` */
export function pluralsOf(locale: string): (value: number, forms: Forms) => string {
  const rules = new Intl.PluralRules(locale)
  return (value, forms) => forms[rules.select(value)] ?? forms.other
}
