/**
 * The scope of a watch of etcd v2: a key, or a folder with everything visible below it. Pure.
 */
export interface Scope {
  readonly path: string;
  readonly isFolder: boolean;
}

const isAtOrBelow = (folder: string, path: string): boolean =>
  path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);

/** A watch on a folder reports no hidden keys: those with a part that begins with `_`. */
const isHidden = (folder: string, path: string): boolean =>
  path !== folder && `/${path.slice(folder.length)}`.includes('/_');

/** Whether a watch of the scope reports events at this path. */
export const covers = ({ path, isFolder }: Scope, other: string): boolean =>
  isFolder ? isAtOrBelow(path, other) && !isHidden(path, other) : path === other;

/** Whether an event concerns the path. An event at a folder, such as its removal, concerns everything below it. */
export const concerns = (event: string, path: string): boolean => event === path || isAtOrBelow(event, path);

/** The deepest folder that covers two of the scopes, if any two can be watched as one. */
export function narrowestUnion(scopes: readonly Scope[]): Scope | undefined {
  const unions = scopes.flatMap((one, i) => scopes.slice(i + 1).map((other) => commonFolder(one.path, other.path)));
  const fit = unions.filter((folder) => {
    const union = { path: folder, isFolder: true };
    return scopes.filter(({ path }) => covers(union, path)).length > 1;
  });
  const [deepest] = fit.sort((a, b) => depth(b) - depth(a));
  return deepest === undefined ? undefined : { path: deepest, isFolder: true };
}

const depth = (path: string): number => path.split('/').filter((part) => part !== '').length;

function commonFolder(one: string, other: string): string {
  const [a, b] = [one.split('/'), other.split('/')];
  const differs = a.findIndex((part, i) => part !== b[i]);
  return a.slice(0, differs < 0 ? a.length : differs).join('/') || '/';
}
