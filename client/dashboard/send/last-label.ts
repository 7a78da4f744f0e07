// The label of what an owner sent last from this browser.

const STORAGE_KEY = 'antipasto.label.'

export function lastLabel(owner: string): string {
  return localStorage.getItem(STORAGE_KEY + owner) ?? ''
}

export function forgetLabel(owner: string): void {
  localStorage.removeItem(STORAGE_KEY + owner)
}

export function rememberLabel(owner: string, label: string): void {
  if (label === '') forgetLabel(owner)
  else localStorage.setItem(STORAGE_KEY + owner, label)
}
