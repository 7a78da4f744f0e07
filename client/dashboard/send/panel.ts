// Uppy's panel, in this page's words.

import type { Body, Meta, Uppy } from '@uppy/core'
import type { Locale } from '@uppy/core/utils'
import Dashboard from '@uppy/dashboard'
import { language, words } from '../words/words.js'

/** As high as the drop area that it takes the place of. */
const HEIGHT_PX = 240

/** Wider than that Uppy draws tiles, as for pictures. */
const LIST_WIDTH_PX = 570

/** One file a line, however wide the page is: data files are known by their names. */
class ListPanel<M extends Meta, B extends Body> extends Dashboard<M, B> {
  override setPluginState(update?: Parameters<Dashboard<M, B>['setPluginState']>[0]): void {
    const width = update?.containerWidth
    super.setPluginState(
      width === undefined ? update : { ...update, containerWidth: Math.min(width, LIST_WIDTH_PX) },
    )
  }
}

/** @returns where it is drawn: to be put into the page */
export function createPanel<M extends Meta, B extends Body>(uppy: Uppy<M, B>): HTMLElement {
  const element = document.createElement('div')
  element.className = 'send-panel'
  uppy.use(ListPanel<M, B>, {
    target: element,
    inline: true,
    width: '100%',
    height: HEIGHT_PX,
    theme: 'auto',
    fileManagerSelectionType: 'both',
    singleFileFullScreen: false,
    disableThumbnailGenerator: true,
    proudlyDisplayPoweredByUppy: false,
    // Rate and time left stand below, for what the server has, and for all of it.
    hideProgressDetails: true,
    // Its messages go away by themselves, and no screen reader hears them: ours stand above the panel.
    disableInformer: true,
    // What has arrived goes by itself.
    doneButtonHandler: null,
  })
  new MutationObserver(() => mendRoles(element)).observe(element, { childList: true, subtree: true })
  return element
}

/** What a screen reader is told of Uppy's panel, as Uppy draws it. */
function mendRoles(element: HTMLElement): void {
  // The page has one live region, which says more than "Complete".
  for (const status of element.querySelectorAll('[role="status"]')) status.removeAttribute('role')
  nameList(element)
}

/** Uppy gives its files the role of items, and only a long list that of a list. */
function nameList(element: HTMLElement): void {
  const list = element.querySelector('.uppy-Dashboard-files')
  if (list === null || list.querySelector('[role="list"]') !== null || list.getAttribute('role') === 'list')
    return
  list.setAttribute('role', 'list')
  list.setAttribute('aria-label', words.send.panel.dashboardTitle)
}

/** Uppy's own translation, and over it what this page says otherwise. */
export async function panelLocale(): Promise<Locale> {
  const own = { strings: words.send.panel, pluralize: (count: number) => (count === 1 ? 0 : 1) }
  if (language !== 'es') return own
  const { default: spanish } = await import('@uppy/locales/lib/es_ES.js')
  return { ...spanish, strings: { ...spanish.strings, ...own.strings } }
}
