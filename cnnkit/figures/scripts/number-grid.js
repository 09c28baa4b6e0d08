// Rows of number fields that edit a matrix of a figure's state.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  if (figures.numberGrid) return;

  // Fields for all values of read(), each named by label(i, j); what is typed goes to write(i, j, value).
  // Returns a function that shows the values again: to be called whenever the figure is drawn.
  figures.numberGrid = (figure, parent, { caption, read, write, label, limit = 9, width = "3.1rem" }) => {
    const { h } = figure;
    const text = (value) => String(+value.toFixed(3));
    const fields = read().map((row, i) =>
      row.map((_, j) => {
        const field = h("input", {
          type: "number", min: -limit, max: limit, step: "any", "aria-label": label(i, j),
          style: `width: ${width}; padding: 0 0 0 0.3rem; box-sizing: border-box`,
        });
        field.addEventListener("input", () => {
          const value = field.valueAsNumber;
          if (Number.isFinite(value)) write(i, j, figures.clamp(value, -limit, limit));
        });
        field.addEventListener("change", () => (field.value = text(read()[i][j])));
        return field;
      }),
    );
    const box = h("div", { style: `display: inline-grid; gap: 3px; grid-template-columns: repeat(${fields[0].length}, auto)` });
    box.append(...fields.flat());
    const whole = h("figure", { class: "drawing" }, box);
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
