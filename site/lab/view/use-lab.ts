/**
 * The state of the page: the schedule and the tick one looks at, both in the URL, and what follows from them.
 */
import { computed, inject, nextTick, onBeforeUnmount, onMounted, provide, ref, shallowRef, watch } from 'vue';
import type { ComputedRef, InjectionKey, Ref } from 'vue';
import { logOf } from '../model/log.js';
import { PRESETS } from '../model/presets.js';
import { runLab } from '../model/run.js';
import type { LabRun } from '../model/run.js';
import { normalised } from '../model/schedule.js';
import type { Action, Schedule } from '../model/schedule.js';
import { fromLink, toFragment, toLink } from '../model/url.js';

const TICK: InjectionKey<Readonly<Ref<number>>> = Symbol('tick');

/**
 * The tick one looks at, with fractions while playing. Only what shows it asks for it: a prop would make the whole lab
 * anew at each tick.
 */
export function useTick(): Readonly<Ref<number>> {
  const tick = inject(TICK);
  if (!tick) throw new Error('There is no tick outside a lab: call useLab() above this component.');
  return tick;
}

/** Ticks a second while playing. */
const SPEED = 14;

/** What one sees first. */
export const FIRST = PRESETS[1] ?? PRESETS[0];

export interface Lab {
  readonly schedule: Ref<Schedule>;
  readonly tick: Ref<number>;
  readonly isPlaying: Ref<boolean>;
  readonly run: ComputedRef<LabRun>;
  readonly log: ComputedRef<ReturnType<typeof logOf>>;
  /** The preset that is shown, unchanged. */
  readonly preset: ComputedRef<(typeof PRESETS)[number] | undefined>;
  readonly unread: Ref<readonly string[]>;
  load(fragment: string): void;
  add(action: Action): void;
  remove(action: Action): void;
  change(change: Partial<Schedule>): void;
  undo(): void;
  readonly canUndo: ComputedRef<boolean>;
  seek(tick: number): void;
  toggle(): void;
}

export function useLab(): Lab {
  const first = fromLink(FIRST?.fragment ?? '');
  const schedule = shallowRef<Schedule>(first.schedule);
  const past = shallowRef<readonly Schedule[]>([]);
  const tick = ref(first.tick);
  provide(TICK, tick);
  const unread = shallowRef<readonly string[]>([]);
  const isPlaying = ref(false);
  const run = computed(() => runLab(schedule.value));
  const log = computed(() => logOf(schedule.value, run.value.traces.rxlock));
  const fragment = computed(() => toFragment(schedule.value));
  const preset = computed(() => PRESETS.find((one) => one.fragment === fragment.value));

  let frame = 0;
  let before = 0;
  const stop = (): void => {
    cancelAnimationFrame(frame);
    isPlaying.value = false;
  };
  const play = (now: number): void => {
    tick.value = Math.min(schedule.value.end, tick.value + ((now - before) / 1000) * SPEED);
    before = now;
    if (tick.value >= schedule.value.end) stop();
    else frame = requestAnimationFrame(play);
  };
  const seek = (to: number): void => {
    stop();
    tick.value = Math.min(schedule.value.end, Math.max(0, to));
  };
  const become = (next: Schedule): void => {
    past.value = [...past.value.slice(-30), schedule.value];
    schedule.value = normalised(next);
    tick.value = Math.min(tick.value, schedule.value.end);
  };

  const read = (): void => {
    const link = decodeURIComponent(location.hash.slice(1));
    // Other pages have fragments, too: ours begins with numbers.
    if (!/^\d+\.\d/.test(link) || link === toLink(schedule.value, Math.round(tick.value))) return;
    const given = fromLink(link);
    stop();
    schedule.value = given.schedule;
    tick.value = given.tick;
    unread.value = given.unread;
  };
  onMounted(() => {
    read();
    addEventListener('hashchange', read);
    nextTick(() => document.documentElement.classList.remove('lab-by-link')).catch((error: unknown) =>
      console.error(error),
    );
    watch([schedule, isPlaying, tick], () => {
      if (!isPlaying.value)
        history.replaceState(history.state, '', `#${toLink(schedule.value, Math.round(tick.value))}`);
    });
  });
  onBeforeUnmount(() => {
    stop();
    removeEventListener('hashchange', read);
  });

  return {
    schedule,
    tick,
    isPlaying,
    run,
    log,
    preset,
    unread,
    load(text) {
      const given = fromLink(text);
      stop();
      past.value = [...past.value.slice(-30), schedule.value];
      schedule.value = given.schedule;
      tick.value = given.tick;
      unread.value = given.unread;
    },
    add: (action) => become({ ...schedule.value, actions: [...schedule.value.actions, action] }),
    remove: (action) => become({ ...schedule.value, actions: schedule.value.actions.filter((one) => one !== action) }),
    change: (change) => become({ ...schedule.value, ...change }),
    undo() {
      const last = past.value.at(-1);
      if (!last) return;
      past.value = past.value.slice(0, -1);
      schedule.value = last;
      tick.value = Math.min(tick.value, last.end);
    },
    canUndo: computed(() => past.value.length > 0),
    seek,
    toggle() {
      if (isPlaying.value) {
        seek(Math.round(tick.value));
        return;
      }
      if (tick.value >= schedule.value.end) tick.value = 0;
      isPlaying.value = true;
      before = performance.now();
      frame = requestAnimationFrame(play);
    },
  };
}
