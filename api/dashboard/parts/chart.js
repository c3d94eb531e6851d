// A chart over time. The library is loaded when the first chart is drawn, after the page's own words are there.

import { html, useEffect, useRef, useState } from "../vendor/htm/standalone.module.js";

let library = null;

function loadLibrary() {
  library ??= new Promise((resolve, reject) => {
    const folder = new URL("../vendor/uplot/", import.meta.url).pathname;
    const sheet = document.createElement("link");
    sheet.rel = "stylesheet";
    sheet.href = `${folder}uPlot.min.css`;
    // Before our own sheets, which have the last word.
    document.head.prepend(sheet);
    const script = document.createElement("script");
    // Its module form is three times as large; this one defines a global.
    script.src = `${folder}uPlot.iife.min.js`;
    script.onload = () => resolve(window.uPlot);
    script.onerror = () => {
      library = null;
      reject(new Error("the chart library could not be loaded"));
    };
    document.head.append(script);
  });
  return library;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const HEIGHT = 168;

// Where a scale of durations is marked: decades up to ten seconds, then what people count in. Milliseconds.
const MARKS_MS = [1, 10, 100, 1000, 10_000, 60_000, 600_000, 3_600_000, 86_400_000];
const decades = (_chart, _axis, low, high) => MARKS_MS.filter((mark) => mark >= low && mark <= high);

/** What uPlot is told: `lines` are `{label, tone, bars?, value(v)}`, `axis(v)` writes the numbers beside it. */
function options(uPlot, { lines, axis, log, width, onRange }) {
  const grid = { stroke: colour("line"), width: 1 };
  const ticks = { show: false };
  const font = "11px system-ui, sans-serif";
  return {
    width,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    cursor: { y: false, drag: { x: true, y: false, setScale: false } },
    legend: { live: true },
    hooks: {
      setSelect: [
        (chart) => {
          const { left, width: selected } = chart.select;
          if (selected > 4) onRange(chart.posToVal(left, "x") * 1000, chart.posToVal(left + selected, "x") * 1000);
        },
      ],
    },
    // A single flat zero would otherwise stretch over the whole height.
    scales: { y: log ? { distr: 3 } : { range: (_, low, high) => [0, Math.max(high * 1.1, 4)] } },
    axes: [
      { stroke: colour("muted"), grid: { show: false }, ticks, font, size: 26, values: [
        [86_400, "{D} {MMM}", null, null, null, null, null, null, 1],
        [60, "{HH}:{mm}", null, null, null, null, null, null, 1],
      ] },
      { stroke: colour("muted"), grid, ticks, font, size: 52, values: (_, all) => all.map((value) => (value === null ? "" : axis(value))), ...(log ? { splits: decades } : {}) },
    ],
    series: [
      { value: "{HH}:{mm}", label: "Time" },
      ...lines.map(({ label, tone, bars, value }) => ({
        label,
        stroke: colour(tone),
        width: 1.5,
        points: { show: false },
        spanGaps: false,
        value: (_, shown) => (shown === null || shown === undefined ? "–" : value(shown)),
        ...(bars ? { paths: uPlot.paths.bars({ size: [0.8, 24] }), fill: colour(tone), width: 0 } : { fill: tone === "chart-1" ? colour("chart-fill") : undefined }),
      })),
    ],
  };
}

/** `data` as uPlot takes it: seconds, then the values of each line. `summary` says it in a sentence. `onRange(from, to)`: ms. */
export function Chart({ title, summary, lines, data, axis, log = false, onRange }) {
  const place = useRef(null);
  const chart = useRef(null);
  const rangeTaken = useRef(onRange);
  rangeTaken.current = onRange;
  const latest = useRef(data);
  latest.current = data;
  const [error, setError] = useState(null);

  useEffect(() => {
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    let gone = false;
    function draw(uPlot) {
      if (gone) return;
      chart.current?.destroy();
      const width = place.current.clientWidth;
      chart.current = new uPlot(options(uPlot, { lines, axis, log, width, onRange: (...range) => rangeTaken.current(...range) }), latest.current, place.current);
    }
    const redraw = () => loadLibrary().then(draw, (failure) => setError(failure.message));
    redraw();
    dark.addEventListener("change", redraw);
    const sizes = new ResizeObserver(() => chart.current?.setSize({ width: place.current.clientWidth, height: HEIGHT }));
    sizes.observe(place.current);
    return () => {
      gone = true;
      dark.removeEventListener("change", redraw);
      sizes.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, []);

  useEffect(() => chart.current?.setData(data), [data]);

  return html`
    <figure class="chart">
      <figcaption>${title}</figcaption>
      ${error && html`<p class="muted">${error}</p>`}
      <div ref=${place} class="chart-place" role="img" aria-label=${summary} />
    </figure>
  `;
}
