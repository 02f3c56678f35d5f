import { create } from '@bufbuild/protobuf';
import { WatchFilesResponse_Change_Kind as Kind } from '@gen/lucid/sandbox/v1/files_pb';
import type { WatchFilesResponse_Change as Change } from '@gen/lucid/sandbox/v1/files_pb';
import { ListTreeResponse_EntrySchema } from '@gen/lucid/sandbox/v1/sandbox_pb';
import type { ListTreeResponse_Entry as Entry } from '@gen/lucid/sandbox/v1/sandbox_pb';

/** The list as it is after these changes, in any order; the same list where none of them shows. */
export function applyChanges(entries: Entry[], changes: readonly Change[]): Entry[] {
  const listed = new Map(entries.map((entry) => [entry.path, entry]));
  let changed = false;
  for (const { path, kind, directory } of changes) {
    if (kind === Kind.REMOVED) {
      for (const known of listed.keys()) if (known === path || known.startsWith(`${path}/`)) changed = listed.delete(known) || changed;
    } else if (kind === Kind.CREATED && !listed.has(path)) {
      listed.set(path, create(ListTreeResponse_EntrySchema, { path, directory }));
      changed = true;
    }
  }
  return changed ? [...listed.values()] : entries;
}
