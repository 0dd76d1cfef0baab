/**
 * The picture of a run: for each key who held it, over the faults that were going on. Pure.
 */
import { grouped } from './grouped.mjs';

const LEFT = 130;
const TOP = 60;
const BAR = 22;
const ROW = 34;
/** How much of a picture a second gets: enough to see single holds in a short run. */
const PER_SECOND = { short: 14, long: 6 };
const LONG_RUN = 600;
const MARK = 9;
/** Too narrow to be pointed at: those of one client and key are one line, broken where it does not hold. */
const NARROW = 1;

/** Told apart next to each other, also by those who see fewer colours. */
const COLOURS = ['#4477aa', '#ee8866', '#228833', '#ccbb44', '#aa3377', '#66ccee', '#994455', '#777777'];

/**
 * A part of a run: what touches it, cut off at its ends.
 *
 * @param {import('./history.mjs').History} history
 * @param {{ from: number, until: number }} part in seconds from the start
 * @returns {import('./history.mjs').History}
 */
export function partOf(history, part) {
  const from = history.from + part.from * 1000;
  const until = Math.min(history.until, history.from + part.until * 1000);
  const isIn = (t) => t >= from && t <= until;
  const cut = (stretch) => ({
    ...stretch,
    from: Math.max(from, stretch.from),
    until: Math.min(until, stretch.until),
  });
  const cutAll = (stretches) => stretches.filter((each) => each.from <= until && each.until >= from).map(cut);
  return {
    ...history,
    from,
    until,
    holds: cutAll(history.holds),
    faults: cutAll(history.faults),
    operations: history.operations.filter(
      ({ stoppedAt, endedAt, client }) => isIn(stoppedAt ?? endedAt) || isIn(history.killed.get(client)),
    ),
    killed: new Map([...history.killed].filter(([, t]) => isIn(t))),
  };
}

/**
 * @param {import('./history.mjs').History} history
 * @param {readonly import('./checker.mjs').Violation[]} violations
 * @returns {string} SVG
 */
export function timelineOf(history, allViolations) {
  const { from, until, holds, faults, operations, killed, run } = history;
  const violations = allViolations.filter(({ t }) => t >= from && t <= until);
  const start = run[0]?.t ?? from;
  const seconds = (until - from) / 1000;
  const scale = seconds > LONG_RUN ? PER_SECOND.long : PER_SECOND.short;
  const x = (t) => LEFT + ((t - from) / 1000) * scale;
  const width = Math.ceil(LEFT + seconds * scale + 20);
  const keys = [...new Set(holds.map(({ key }) => key))].sort();
  const lanes = [...new Set(faults.map(({ lane }) => lane))].sort();
  const keysTop = TOP + lanes.length * ROW + 20;
  const height = keysTop + keys.length * ROW + 60;
  const slots = [...new Set(operations.map(({ client }) => client.split('.')[0]))].sort();
  const colourOf = (client) => COLOURS[slots.indexOf(client.split('.')[0]) % COLOURS.length];
  const yOf = (key) => keysTop + keys.indexOf(key) * ROW;
  const settings = run.find(({ type }) => type === 'settings') ?? {};

  const grid = Array.from({ length: Math.floor(seconds / 10) + 1 }, (_, i) => from + i * 10_000).flatMap((t) => [
    line(x(t), TOP - 8, x(t), height - 40, '#dddddd'),
    text(x(t), TOP - 12, `${Math.round((t - start) / 1000)} s`, { anchor: 'middle', fill: '#666666' }),
  ]);
  const placed = faults.map((fault) => ({
    ...fault,
    left: x(fault.from),
    y: TOP + lanes.indexOf(fault.lane) * ROW,
    wide: Math.max(3, x(fault.until) - x(fault.from)),
  }));
  const shades = placed.map(({ lane, left, y, wide }) =>
    rect(left, y, wide, height - 40 - y, lane === 'server' ? '#ffdddd' : '#ddeeff', 0.35),
  );
  const troubles = placed.flatMap(({ lane, name, target, left, y, wide }) => {
    const next = Math.min(
      width,
      ...placed.filter((each) => each.lane === lane && each.left > left).map((each) => each.left),
    );
    const fitting = (words, letter) => words.slice(0, Math.floor((next - left - 4) / letter));
    return [
      rect(left, y, wide, BAR, lane === 'server' ? '#dd8888' : '#88aadd', 1, `${lane}: ${name}, ${target}`),
      text(left + 2, y + 10, fitting(name, 4.6), { size: 8 }),
      text(left + 2, y + 19, fitting(target, 4.1), { size: 7, fill: '#444444' }),
    ];
  });
  const isNarrow = (hold) => x(hold.until) - x(hold.from) < NARROW;
  const narrow = [...grouped(holds.filter(isNarrow), ({ key, operation }) => `${key} ${operation.client}`).values()];
  const briefly = narrow.map((list) => {
    const [{ key, operation }] = list;
    const y = yOf(key) + BAR / 2;
    const steps = list.map(
      (hold) => `M${number(x(hold.from))} ${y}h${number(Math.max(0.4, x(hold.until) - x(hold.from)))}`,
    );
    return `<path d="${steps.join('')}" stroke="${colourOf(operation.client)}" stroke-width="${BAR}"/>`;
  });
  const held = holds
    .filter((hold) => !isNarrow(hold))
    .map(({ key, from: began, until: ended, operation: { client, op, kind } }) =>
      rect(
        x(began),
        yOf(key),
        x(ended) - x(began),
        BAR,
        colourOf(client),
        0.9,
        `${client} #${op}, ${kind}, ${((began - start) / 1000).toFixed(3)} s, ${Math.round(ended - began)} ms`,
      ),
    );
  const losses = operations
    .filter(({ code, heldAt }) => code === 'LOCK_LOST' && heldAt !== undefined)
    .map(({ keys: [key], stoppedAt, endedAt, client, reason }) =>
      mark(x(stoppedAt ?? endedAt), yOf(key), '#cc0000', `${client} lost it: ${reason}`),
    );
  const deaths = [...killed].flatMap(([client, t]) =>
    operations
      .filter((each) => each.client === client && each.heldAt !== undefined && each.endedAt === undefined)
      .map(({ keys: [key] }) => mark(x(t), yOf(key), '#000000', `${client} died holding it`)),
  );
  const wrongs = violations.map(({ key, t, rule, message }) =>
    line(
      x(t),
      keys.includes(key) ? yOf(key) - 6 : TOP,
      x(t),
      keys.includes(key) ? yOf(key) + ROW - 6 : height - 40,
      '#ff00ff',
      `${rule}: ${message}`,
      2,
    ),
  );
  const legend = slots.flatMap((slot, i) => [
    rect(LEFT + i * 60, height - 26, 12, 12, colourOf(slot), 0.9),
    text(LEFT + i * 60 + 16, height - 16, slot),
  ]);
  const after = LEFT + slots.length * 60 + 20;

  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="10">`,
    rect(0, 0, width, height, '#ffffff', 1),
    text(
      10,
      20,
      `${settings.contender ?? ''}, seed ${settings.seed ?? ''}: who held which key, and the faults meanwhile`,
      { size: 14 },
    ),
    ...shades,
    ...grid,
    ...lanes.map((lane, i) => text(10, TOP + i * ROW + 14, `faults: ${lane}`)),
    ...keys.map((key) => text(10, yOf(key) + 14, key)),
    ...troubles,
    ...briefly,
    ...held,
    ...losses,
    ...deaths,
    ...wrongs,
    ...legend,
    mark(after, height - 30, '#cc0000', ''),
    text(after + 10, height - 16, 'lost'),
    mark(after + 50, height - 30, '#000000', ''),
    text(after + 60, height - 16, 'died holding'),
    line(after + 140, height - 28, after + 140, height - 12, '#ff00ff', '', 2),
    text(after + 146, height - 16, 'a rule violated'),
    '</svg>\n',
  ].join('\n');
}

const number = (value) => value.toFixed(1);

const titled = (element, shape, title) =>
  title ? `${shape}><title>${escaped(title)}</title></${element}>` : `${shape}/>`;

const rect = (x, y, width, height, fill, opacity, title) =>
  titled(
    'rect',
    `<rect x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}" fill="${fill}" opacity="${opacity}"`,
    title,
  );

const line = (x1, y1, x2, y2, stroke, title, width = 1) =>
  titled(
    'line',
    `<line x1="${number(x1)}" y1="${number(y1)}" x2="${number(x2)}" y2="${number(y2)}" stroke="${stroke}" stroke-width="${width}"`,
    title,
  );

const mark = (x, y, fill, title) =>
  titled('path', `<path d="M${number(x)} ${number(y + MARK)} l-4 -${MARK} h8 z" fill="${fill}"`, title);

const text = (x, y, words, { size = 10, fill = '#000000', anchor = 'start' } = {}) =>
  `<text x="${number(x)}" y="${number(y)}" font-size="${size}" fill="${fill}" text-anchor="${anchor}">${escaped(words)}</text>`;

const escaped = (words) => String(words).replace(/[&<>"\0]/g, (character) => `&#${character.charCodeAt(0) || 0xfffd};`);
