/**
 * The figures as pictures, drawn by Vega-Lite.
 */
import { View, parse } from 'vega';
import { compile } from 'vega-lite';
import { headerOf } from './report.mjs';

const WIDE = 230;

/** @returns {Promise<Record<string, string>>} by name, as SVG; of scenarios that were not run there are none */
export async function plotsOf(scenarios) {
  const drawn = {};
  for (const [name, { needs, plot }] of Object.entries(PLOTS)) {
    const { tables = [], measured } = scenarios[needs] ?? {};
    if (tables.length === 0) continue;
    const caption = headerOf(measured).split('\n');
    drawn[name] = await svgOf({ ...plot(tables), ...styleOf(TITLES[name], caption) });
  }
  return drawn;
}

const TITLES = {
  throughput: 'Acquire and release of distinct keys: cycles per second, by how many are in flight',
  'hand-off': 'One key: milliseconds per hand-off, by how many wait',
  requests: 'One key: requests to the server per hand-off, by how many wait',
  loss: "A holder's network falls silent (ttl 3 s): milliseconds in which two believe that they hold",
};

const PLOTS = {
  throughput: { needs: 'peers', plot: bars },
  'hand-off': {
    needs: 'peers-hand-off',
    plot: (tables) => lines(tables, 'ms per hand-off', ({ rounds }) => rounds.median),
  },
  requests: {
    needs: 'peers-hand-off',
    plot: (tables) => lines(tables, 'requests per hand-off', ({ requests }) => requests),
  },
  loss: { needs: 'loss', plot: windows },
};

function bars(tables) {
  const values = tables.flatMap(({ name, rows }) =>
    rows.map((row) => ({
      table: name,
      who: row.name,
      median: row.rounds.median,
      low: row.rounds.low,
      high: row.rounds.high,
    })),
  );
  const order = [...new Set(values.map(({ who }) => who))];
  const y = { field: 'who', type: 'nominal', sort: order, title: null };
  return {
    data: { values },
    facet: { field: 'table', type: 'nominal', columns: 4, sort: tables.map(({ name }) => name), title: null },
    spec: {
      width: WIDE,
      layer: [
        {
          mark: 'bar',
          encoding: {
            y,
            x: {
              field: 'median',
              type: 'quantitative',
              scale: { type: 'log', domainMin: 50 },
              title: 'cycles per second',
            },
            x2: { datum: 50 },
            color: OURS,
          },
        },
        {
          mark: { type: 'rule', color: '#222' },
          encoding: { y, x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } },
        },
      ],
    },
  };
}

function lines(tables, title, figureOf) {
  const values = tables.flatMap(({ rows, waiters, processes }) =>
    rows
      .filter((row) => figureOf(row) > 0)
      .map((row) => ({
        who: row.name,
        waiters,
        where: processes === 1 ? 'one process' : `${processes} processes`,
        figure: figureOf(row),
      })),
  );
  return {
    data: { values },
    facet: { field: 'where', type: 'nominal', columns: 2, sort: ['one process'], title: null },
    spec: {
      width: 1.6 * WIDE,
      height: 300,
      mark: { type: 'line', point: true },
      encoding: {
        x: { field: 'waiters', type: 'quantitative', scale: { type: 'log' }, title: 'waiting' },
        y: { field: 'figure', type: 'quantitative', scale: { type: 'log' }, title },
        color: { field: 'who', type: 'nominal', title: null, scale: { scheme: 'tableau20' } },
        strokeWidth: { condition: { test: "indexof(datum.who, 'rxlock') === 0", value: 3 }, value: 1.2 },
      },
    },
  };
}

function windows([{ rows }]) {
  return {
    data: { values: rows.map(({ name, rounds, note }) => ({ who: name, ms: rounds.median, note })) },
    width: 3 * WIDE,
    encoding: {
      y: { field: 'who', type: 'nominal', sort: rows.map(({ name }) => name), title: null },
      x: { field: 'ms', type: 'quantitative', title: 'ms' },
    },
    layer: [
      { mark: 'bar', encoding: { color: OURS } },
      { mark: { type: 'text', align: 'left', dx: 4, fontSize: 10 }, encoding: { text: { field: 'note' } } },
    ],
  };
}

const OURS = {
  condition: { test: "indexof(datum.who, 'rxlock') === 0", value: '#1f6fb2' },
  value: '#b8b8b8',
};

const styleOf = (text, caption) => ({
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  title: { text, subtitle: caption, anchor: 'start', subtitleColor: '#666', subtitleFontSize: 10 },
  background: 'white',
  padding: 12,
});

async function svgOf(spec) {
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return `${svg}\n`;
}
