// Rows of number fields that edit a matrix of a figure's state.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.numberGrid) return;

  // Fields for all values of read(), each named by label(i, j); what is typed goes to write(i, j, value).
  // Returns a function that shows the values again: to be called whenever the figure is drawn.
  figures.numberGrid = (figure, parent, { caption, read, write, label, limit = 9, width = "3.3rem" }) => {
    const { h } = figure;
    const text = (value) => String(+value.toFixed(4));
    const fields = read().map((row, i) =>
      row.map((_, j) => {
        const field = h("input", {
          type: "number", min: -limit, max: limit, step: "any", "aria-label": label(i, j),
          style: `width: ${width}; padding: 0 0.15rem; font-size: 0.9rem; box-sizing: border-box; appearance: textfield`,
        });
        field.addEventListener("input", () => {
          const value = field.valueAsNumber;
          if (Number.isFinite(value)) write(i, j, figures.clamp(value, -limit, limit));
        });
        field.addEventListener("change", () => (field.value = text(read()[i][j])));
        return field;
      }),
    );
    // a single row may be longer than a phone is wide
    const box = h("div", { style: `gap: 3px; ${fields.length > 1 ? `display: inline-grid; grid-template-columns: repeat(${fields[0].length}, auto)` : "display: flex; flex-wrap: wrap"}` });
    box.append(...fields.flat());
    // without the two little arrows, which hide the digits: the arrow keys do what they do
    const look = h("style", {}, "input::-webkit-inner-spin-button { appearance: none }");
    const whole = h("figure", { class: "drawing" }, look, box);
    if (caption) whole.append(h("figcaption", {}, caption));
    parent.append(whole);
    return () =>
      fields.forEach((row, i) =>
        row.forEach((field, j) => {
          // what is being typed stays as it is
          if (field.getRootNode().activeElement !== field) field.value = text(read()[i][j]);
        }),
      );
  };
})();
