/**
 * The names by which the parts of this entry find each other. Registered symbols: what one copy of the package has
 * decorated, the module of another copy finds.
 */

/** The `Locks` of the application, as Nest injects them. */
export const LOCKS = Symbol.for('rxlock.nestjs.locks');

/** On a method: how it returns what is done under its lock. */
export const FORM = Symbol.for('rxlock.nestjs.form');

/** On a method: what it leads. */
export const LEADS = Symbol.for('rxlock.nestjs.leads');
