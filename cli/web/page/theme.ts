import { byId } from "./dom.ts"

const KEY = "heddle.theme"

/** System, light or dark; remembered where the browser allows it. */
export function startTheme(): void {
  const select = byId<HTMLSelectElement>("theme")
  const use = (theme: string): void => {
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme
    else delete document.documentElement.dataset.theme
  }
  const known = read()
  if (known === "light" || known === "dark") select.value = known
  use(select.value)
  select.addEventListener("change", () => {
    use(select.value)
    write(select.value)
  })
}

function read(): string | null {
  try {
    return localStorage.getItem(KEY)
  } catch {
    // Storage is switched off.
    return null
  }
}

function write(theme: string): void {
  try {
    localStorage.setItem(KEY, theme)
  } catch {
    // It lasts as long as the page.
  }
}
