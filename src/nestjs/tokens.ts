/**
 * The symbols with which decorators and the module find each other. They are registered symbols, so that they work
 * across copies of the package.
 */

/** The injection token of the `Locks` of the application. */
export const LOCKS = Symbol.for('rxlock.nestjs.locks');

/** Metadata of a method: its {@link Form}. */
export const FORM = Symbol.for('rxlock.nestjs.form');

/** Metadata of a method: what it leads. */
export const LEADS = Symbol.for('rxlock.nestjs.leads');
