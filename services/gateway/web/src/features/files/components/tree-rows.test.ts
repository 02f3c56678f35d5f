import { create } from '@bufbuild/protobuf';
import { ListTreeResponse_EntrySchema } from '@gen/lucid/sandbox/v1/sandbox_pb';
import { expect, it } from 'vitest';
import { visibleRows } from './tree-rows';

const entries = ['README.md', 'a-b', 'a-b/x', 'a', 'a/deep', 'a/deep/y', 'a/z'].map((path) =>
  create(ListTreeResponse_EntrySchema, { path, directory: ['a', 'a-b', 'a/deep'].includes(path) }),
);

it('shows folders first and what is in an open one right below it', () => {
  const rows = visibleRows(entries, (path) => path === 'a');
  expect(rows.map(({ path, depth, open }) => [path, depth, open])).toEqual([
    ['a', 0, true],
    ['a/deep', 1, false],
    ['a/z', 1, false],
    ['a-b', 0, false],
    ['README.md', 0, false],
  ]);
});

it('shows nothing of a closed folder, also where a folder inside was left open', () => {
  const rows = visibleRows(entries, (path) => path === 'a/deep');
  expect(rows.map((row) => row.path)).toEqual(['a', 'a-b', 'README.md']);
});
