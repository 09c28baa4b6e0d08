// From file:// the browser refuses to fetch the pages found, so their summaries cannot be shown.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Typeset a few formulas at a time, from the top: all at once would block a phone for a second.
window.MathJax = window.MathJax || {};
MathJax.startup = {
  pageReady: async () => {
    const formulas = [...document.querySelectorAll(".math")];
    while (formulas.length) {
      await MathJax.typesetPromise(formulas.splice(0, 8));
      await new Promise((resolve) => setTimeout(resolve));
    }
  },
};

// Compare the height of MathJax's letters with that of the text once for the page. MathJax would do it beside each
// formula, and the browser would lay the page out again for each of these few.
let metrics;
const measure = (formulas) => {
  for (const formula of formulas.math) {
    if (formula.state() >= 110) continue;
    metrics ??= formulas.outputJax.getMetricsFor(formula.start.node.parentNode, false);
    formula.setMetrics(metrics.em, metrics.ex, metrics.containerWidth, metrics.lineWidth, metrics.scale);
    formula.state(110);
  }
};
MathJax.options = { ...MathJax.options, renderActions: { metrics: [110, measure, ""] } };

// Paper is light. The printed page has no second theme to switch to, so the attribute is turned for that moment.
let themeOnScreen;
addEventListener("beforeprint", () => {
  themeOnScreen = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
});
addEventListener("afterprint", () => {
  document.documentElement.dataset.theme = themeOnScreen;
});
