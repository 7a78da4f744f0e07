import type { ComponentChildren } from 'preact'
import { Icon, type IconName } from './icon.js'

/** Where there is nothing yet: says what would be here, and how it comes to be. */
export function Empty({
  icon,
  title,
  children,
}: {
  icon: IconName
  title: string
  children: ComponentChildren
}) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <p class="empty-title">{title}</p>
      {children}
    </div>
  )
}
