// The page's few icons, drawn with one stroke in the colour of the text. They say nothing by themselves: what they stand
// beside does, or the button's name.

const PATHS = {
  close: 'M5 5l10 10M15 5L5 15',
  copy: 'M7 7h9v10H7zM4 13V3h9',
  check: 'M4 10.5l4 4 8-9',
  chevron: 'M7 5l5 5-5 5',
  back: 'M12 5l-5 5 5 5',
  search: 'M9 3.5a5.5 5.5 0 100 11 5.5 5.5 0 000-11zM13 13l4 4',
  file: 'M5 2.5h6.5L15.5 7v10.5H5zM11 3v4.5h4',
  folder: 'M2.5 5h5l1.5 2h8.5v9h-15z',
  package: 'M3 6.5L10 3l7 3.5v7L10 17l-7-3.5zM3 6.5l7 3.5 7-3.5M10 10v7',
  upload: 'M10 14V4M5.5 8.5L10 4l4.5 4.5M4 17h12',
  download: 'M10 4v10M5.5 9.5L10 14l4.5-4.5M4 17h12',
  pause: 'M7 4v12M13 4v12',
  play: 'M6 4l10 6-10 6z',
  trash: 'M4 6h12M8 6V4h4v2M6 6l.7 11h6.6L14 6',
  warning: 'M10 3l8 14H2zM10 8v4M10 14.5v.5',
  lock: 'M5 9h10v8H5zM7 9V6.5a3 3 0 016 0V9',
  link: 'M8.5 11.5l3-3M7 9L5 11a2.8 2.8 0 004 4l2-2M13 11l2-2a2.8 2.8 0 00-4-4L9 7',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" width="18" height="18" aria-hidden="true" focusable="false">
      <path
        d={PATHS[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.6"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  )
}
