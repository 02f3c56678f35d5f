import { create } from '@bufbuild/protobuf';
import { WatchFilesResponse_ChangeSchema, WatchFilesResponse_Change_Kind as Kind } from '@gen/lucid/sandbox/v1/files_pb';
import { ListTreeResponse_EntrySchema } from '@gen/lucid/sandbox/v1/sandbox_pb';
import { expect, it } from 'vitest';
import { applyChanges } from './tree-changes';

const entries = ['a', 'a/x', 'a-b', 'c'].map((path) => create(ListTreeResponse_EntrySchema, { path, directory: path === 'a' }));
const change = (path: string, kind: Kind, directory = false) => create(WatchFilesResponse_ChangeSchema, { path, kind, directory });
const paths = (...changes: ReturnType<typeof change>[]): string[] => applyChanges(entries, changes).map((entry) => entry.path);

it('adds what is new and takes away what is gone, with all that was in it', () => {
  expect(paths(change('d', Kind.CREATED, true), change('d/e', Kind.CREATED), change('a', Kind.REMOVED, true))).toEqual(['a-b', 'c', 'd', 'd/e']);
  expect(paths(change('c', Kind.REMOVED), change('c', Kind.CREATED))).toEqual(['a', 'a/x', 'a-b', 'c']);
});

it('draws nothing anew where only contents changed', () => {
  expect(applyChanges(entries, [change('c', Kind.CHANGED), change('a', Kind.CREATED, true), change('zz', Kind.REMOVED)])).toBe(entries);
});
