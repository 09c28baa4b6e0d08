// Repairs of what the theme and its extensions leave for readers with a keyboard or a screen reader. The browser
// tests run axe-core over every page: whatever becomes unnecessary here can go.
addEventListener("DOMContentLoaded", () => {
  const each = (selector, repair) => document.querySelectorAll(selector).forEach(repair);

  // The name of a control must contain its visible text.
  each(".search-button-field[aria-label], details.hide > summary[aria-label]", (control) =>
    control.removeAttribute("aria-label"));
  each(".theme-switch-button", (button) => {
    const name = document.createElement("span");
    name.className = "visually-hidden";
    name.textContent = button.getAttribute("aria-label");
    button.removeAttribute("aria-label");
    button.append(name);
  });

  // All content belongs to a landmark.
  each(".sidebar-primary-items__start", (sidebar) => {
    sidebar.setAttribute("role", "region");
    sidebar.setAttribute("aria-label", "Book");
  });

  // The bibliography's roles are deprecated ones, in a list that also holds links.
  each(".citation-list, .citation-list .citation", (entry) => entry.removeAttribute("role"));

  // An empty corner of a table heads nothing.
  each("article th", (heading) => {
    if (!heading.textContent.trim()) heading.replaceWith(document.createElement("td"));
  });

  // A heading that is only a formula gets its letters as a name, because not every reader takes MathML for text.
  each("article th .math:only-child", (formula) => {
    const name = document.createElement("span");
    name.className = "visually-hidden";
    name.textContent = formula.textContent.replace(/\\[()]|[\\{}]/g, "");
    formula.setAttribute("aria-hidden", "true");
    formula.after(name);
  });

  each("input.task-list-item-checkbox", (box) =>
    box.setAttribute("aria-label", box.parentElement.textContent.trim()));

  // What scrolls sideways must be within reach of the keyboard, and nothing else should stop it.
  const boxes = "mjx-container[display], pre, figure, .cell_output .output, .pst-scrollable-table-container";
  const reach = () =>
    each(boxes, (box) => {
      if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0");
      else box.removeAttribute("tabindex");
    });
  addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    reach();
  });
  addEventListener("resize", reach);
});
