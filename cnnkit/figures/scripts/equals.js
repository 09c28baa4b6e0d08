// How a sentence ends a sum: "= 0.5", but "≈ 0.33" where the digits shown are not the whole number. No drawing.
(() => {
  const figures = (globalThis.cnnFigures ??= {});
  figures.equals ??= (value, digits = 2) => {
    const whole = Math.abs(value - +value.toFixed(digits)) < 1e-9;
    return `${whole ? "=" : "≈"} ${figures.number(value, digits)}`;
  };
})();
