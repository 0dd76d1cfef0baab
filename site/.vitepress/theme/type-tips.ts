/**
 * Shows the type of the name that somebody points at. With the focus on a sample, Enter goes to its names, the arrows
 * from one to the next, Escape back.
 */
import { withBase } from 'vitepress';

type Text = readonly [type: string, about: string];

const loaded = new Map<string, Promise<readonly Text[]>>();

async function fetched(id: string): Promise<readonly Text[]> {
  const answer = await fetch(withBase(`/types/${id}.json`));
  if (!answer.ok) throw new Error(`The types of this sample cannot be loaded: ${answer.status}.`);
  // Our own build has written it: sample-types.ts.
  return (await answer.json()) as readonly Text[];
}

function textsOf(id: string): Promise<readonly Text[]> {
  const there = loaded.get(id) ?? fetched(id);
  loaded.set(id, there);
  // What failed is asked for again.
  there.catch(() => loaded.delete(id));
  return there;
}

const tip = document.createElement('div');
tip.className = 'type-tip';
tip.id = 'type-tip';
tip.role = 'tooltip';
tip.hidden = true;
/** The name whose type is shown, or is being fetched. */
let shown: HTMLElement | undefined;

function hide(): void {
  tip.hidden = true;
  shown?.removeAttribute('aria-describedby');
  shown = undefined;
}

/** Below the name, within the window; above it where there is no room below. */
function place(name: HTMLElement): void {
  const { left, top, bottom } = name.getBoundingClientRect();
  const { width, height } = tip.getBoundingClientRect();
  const room = document.documentElement.clientWidth - width - 8;
  tip.style.left = `${Math.max(8, Math.min(left, room))}px`;
  tip.style.top = `${bottom + 6 + height > innerHeight ? Math.max(8, top - height - 6) : bottom + 6}px`;
}

async function show(name: HTMLElement): Promise<void> {
  if (shown === name) return;
  hide();
  shown = name;
  const id = name.closest<HTMLElement>('pre[data-types]')?.dataset['types'];
  const [type, about] = (id === undefined ? [] : await textsOf(id))[Number(name.dataset['t'])] ?? [];
  if (shown !== name || type === undefined) return;
  const code = document.createElement('code');
  code.textContent = type;
  tip.replaceChildren(code, ...(about ? [about] : []));
  tip.hidden = false;
  name.setAttribute('aria-describedby', tip.id);
  place(name);
}

const nameOf = ({ target }: Event): HTMLElement | null =>
  target instanceof Element ? target.closest<HTMLElement>('pre[data-types] [data-t]') : null;

function pointed(event: Event): void {
  const name = nameOf(event);
  if (name) show(name).catch((error: unknown) => console.error(error));
  else if (event.target !== tip) hide();
}

function goTo(name: HTMLElement | undefined): void {
  if (!name) return;
  name.tabIndex = -1;
  name.focus();
}

function pressed(event: KeyboardEvent): void {
  const sample = event.target instanceof Element ? event.target.closest<HTMLElement>('pre[data-types]') : null;
  if (event.key === 'Escape') hide();
  if (!sample) return;
  const names = [...sample.querySelectorAll<HTMLElement>('[data-t]')];
  const at = names.findIndex((name) => name === event.target);
  if (event.key === 'Enter' && at < 0) goTo(names[0]);
  else if (event.key === 'ArrowRight' && at >= 0) goTo(names[at + 1]);
  else if (event.key === 'ArrowLeft' && at >= 0) goTo(names[at - 1]);
  else if (event.key === 'Escape' && at >= 0) sample.focus();
  else return;
  event.preventDefault();
}

/** @param first what was pointed at while this was being loaded */
export function showTypes(first: Event): void {
  document.body.append(tip);
  for (const type of ['pointerover', 'focusin', 'click'] as const) document.addEventListener(type, pointed);
  addEventListener('scroll', hide, { capture: true, passive: true });
  document.addEventListener('keydown', pressed);
  pointed(first);
}
