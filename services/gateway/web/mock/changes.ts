import { FileEdited_Kind as Kind, FileEdited_Via as Via, Source } from '@gen/lucid/sessions/v1/event_pb';
import type { MockLog } from './log';

const line = (path: string, text: string): string =>
  `diff --git a/${path} b/${path}\nnew file mode 100644\n--- /dev/null\n+++ b/${path}\n@@ -0,0 +1,2 @@\n+${text}\n+\n`;

/** What the mocked session has changed so far, file by file. */
export function changed(diff: string) {
  return [
    { path: 'CHANGELOG.md', kind: Kind.MODIFIED, added: 1, removed: 0, unifiedDiff: line('CHANGELOG.md', 'No cent is lost when a sum is split.') },
    { path: 'docs/rounding.png', kind: Kind.ADDED, binary: true },
    { path: 'src/tally/money.py', kind: Kind.MODIFIED, added: 6, removed: 3, unifiedDiff: diff },
    { path: 'src/tally/parse.py', oldPath: 'src/tally/parser.py', kind: Kind.RENAMED, added: 0, removed: 0 },
    { path: 'tests/test_money_with_a_name_that_is_rather_long_for_a_phone.py', kind: Kind.ADDED, added: 2, removed: 0, unifiedDiff: line('tests/x.py', 'def test():') },
  ];
}

/** Puts the files back, as far as the log tells it. */
export function rewind(log: MockLog, seq: number, key: string, diff: string): void {
  const edit = { ...changed(diff)[0], via: Via.REWIND, treeBefore: 't2', treeAfter: 't1' };
  log.append({ case: 'fileEdited', value: edit }, `itm_${key}`, Source.USER);
  const value = { checkpointId: `rewind-${key}`, reason: 'rewind', files: 1, rewoundToSeq: seq, tree: 't1' };
  log.append({ case: 'checkpointCreated', value }, '', Source.USER);
  log.append({ case: 'diffSnapshot', value: { added: 6, removed: 3, totalFiles: 1, tree: `t-${key}` } }, '', Source.USER);
}
