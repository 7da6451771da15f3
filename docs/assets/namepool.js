// A block of code that scrolls can be reached by the keyboard (WCAG 2.1.1).
document$.subscribe(() => {
  for (const code of document.querySelectorAll("pre > code")) code.tabIndex = 0
})
