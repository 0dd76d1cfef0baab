/**
 * What one watch of etcd v2 covers: a table.
 */
import { describe, expect, it } from '@jest/globals';
import { concerns, covers, narrowestUnion } from '../../src/backends/node-etcd/scopes.js';

const key = (path: string) => ({ path, isFolder: false });
const folder = (path: string) => ({ path, isFolder: true });

describe('what a watch covers', () => {
  it.each([
    [key('/a'), '/a', true],
    [key('/a'), '/a/b', false],
    [folder('/a'), '/a', true],
    [folder('/a'), '/a/b', true],
    [folder('/a'), '/ab', false],
    [folder('/'), '/a/b', true],
    // etcd tells nothing of these to who watches a folder above.
    [folder('/'), '/_a/b', false],
    [folder('/a'), '/a/_b/c', false],
    [folder('/_a'), '/_a/b', true],
    [folder('/a'), '/a/b_c', true],
  ])('%j, %s: %s', (scope, path, covered) => {
    expect(covers(scope, path)).toBe(covered);
  });

  it.each([
    ['/a/b', '/a/b', true],
    ['/a', '/a/b', true],
    ['/', '/a/b', true],
    ['/a/b', '/a', false],
    ['/a', '/ab', false],
  ])('an event at %s concerns %s: %s', (event, path, does) => {
    expect(concerns(event, path)).toBe(does);
  });

  it.each([
    [['/a', '/b'], '/'],
    [['/a/1', '/b/1', '/b/2'], '/b'],
    [['/a/b/1', '/a/b/2', '/a/c'], '/a/b'],
    [['/a/_1', '/a/_2'], undefined],
    [['/a/_1', '/a/_2', '/a/3', '/b/1'], '/'],
    [['/_a/1', '/_a/2'], '/_a'],
    [['/a'], undefined],
  ])('of %j, the two that are closest are in %s', (paths, union) => {
    expect(narrowestUnion(paths.map(key))).toEqual(union === undefined ? undefined : folder(union));
  });
});
