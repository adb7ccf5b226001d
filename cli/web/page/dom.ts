const SVG = "http://www.w3.org/2000/svg"

type Attributes = Readonly<Record<string, string | number | boolean>>

/** An element of this page's HTML. */
export function byId<T extends Element = HTMLElement>(id: string): T {
  return document.getElementById(id) as unknown as T
}

export function html<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  put(element, attributes)
  element.append(...children)
  return element
}

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Node[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag)
  put(element, attributes)
  element.append(...children)
  return element
}

/** False takes the attribute away, but for those of WAI-ARIA, which have "false" for a value. What has not changed is not touched, so that screen readers are not told of it. */
export function put(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    const aria = name.startsWith("aria-")
    if (value === false && !aria) element.removeAttribute(name)
    else {
      const text = value === true && !aria ? "" : String(value)
      if (element.getAttribute(name) !== text) element.setAttribute(name, text)
    }
  }
}

export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

/** People who are made ill by movement say so in their system. */
export const still: MediaQueryList = matchMedia("(prefers-reduced-motion: reduce)")
