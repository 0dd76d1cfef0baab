/** What each Nest has to do: the scenarios of scenarios.ts, by their titles. */
export const TITLES = [
  'a promise method runs one call at a time, an Observable method, too',
  'an Observable method contends when it is subscribed to, and each subscription anew',
  'the key is made of the arguments, and of the object',
  'what a method throws, rejects or errors with arrives, and the lock is free',
  'a busy lock rejects, or is skipped',
  'a lost lock rejects at once, and the signal aborts in the method',
  'the async context of the caller is that of the method, and the innermost lock is at hand',
  'another lock of that key can be asked for',
  'metadata, name and length stay, and @Cron goes in either order',
  'request-scoped providers, derived classes and products of factories have the locks',
  'an object that Nest did not make is told what to do',
  'an Observable that nobody expected is told, and not run without its lock',
  'what is on a schedule must not return an Observable',
  'a leader runs from the start, and ends at the shutdown, before its lock is given back',
  'a leader that fails is logged, and leads again',
  'a leader must live as long as the application, and be on no schedule',
  'decorators of one copy of the package find the module of another one',
  'the module takes its options from a factory, and refuses bad ones',
  'what is run once is run by one of two applications, its value is that of both, and the next one runs what failed',
  'the health indicator says up, and down with a message',
] as const;

export type Title = (typeof TITLES)[number];
