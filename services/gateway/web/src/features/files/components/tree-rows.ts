import type { ListTreeResponse_Entry as Entry } from '@gen/lucid/sandbox/v1/sandbox_pb';

/** One row of the explorer. */
export interface TreeRow {
  readonly path: string;
  readonly name: string;
  readonly depth: number;
  readonly directory: boolean;
  readonly symlink: boolean;
  readonly open: boolean;
  /** Its content is listed when it is asked for. */
  readonly notEntered: boolean;
}

/** The rows to draw: entries whose folders are all open. Entries come parents before children. */
export function visibleRows(entries: readonly Entry[], isOpen: (path: string, depth: number) => boolean): TreeRow[] {
  const rows: TreeRow[] = [];
  const opened = new Set(['']);
  for (const { path, directory, symlink, notEntered } of sorted(entries)) {
    const cut = path.lastIndexOf('/');
    const parent = cut === -1 ? '' : path.slice(0, cut);
    if (!opened.has(parent)) continue;
    const depth = path.split('/').length - 1;
    const open = directory && isOpen(path, notEntered ? Infinity : depth);
    if (open) opened.add(path);
    rows.push({ path, name: path.slice(cut + 1), depth, directory, symlink, open, notEntered });
  }
  return rows;
}

/** Folders before files, each by name; a folder's entries right after it. */
function sorted(entries: readonly Entry[]): Entry[] {
  const folders = new Set(entries.filter((entry) => entry.directory).map((entry) => entry.path));
  const key = (path: string): string =>
    path
      .split('/')
      .map((name, index, all) => (folders.has(all.slice(0, index + 1).join('/')) ? `0${name}` : `1${name}`))
      .join('/');
  return entries
    .map((entry) => ({ entry, key: key(entry.path) }))
    .sort((a, b) => comparePaths(a.key, b.key))
    .map(({ entry }) => entry);
}

function comparePaths(a: string, b: string): number {
  const left = a.split('/');
  const right = b.split('/');
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const order = (left[index] ?? '').localeCompare(right[index] ?? '');
    if (order !== 0) return order;
  }
  return left.length - right.length;
}
