import { useMemo, useState } from 'react';
import type { ReactElement, ReactNode } from 'react';
import { Decoration, Diff, Hunk, parseDiff } from 'react-diff-view';
import type { FileData, HunkData } from 'react-diff-view';
import 'react-diff-view/style/index.css';
import { Button } from './button';

/** Lines that are drawn at once; the rest on demand. */
const LINE_CAP = 400;

/** The files of a unified diff, as git prints it. */
export default function DiffBody({ diff, titles }: { diff: string; titles: boolean }): ReactNode {
  const files = useMemo(() => parse(diff), [diff]);
  if (files.length === 0) return <pre className="diff-raw">{diff}</pre>;
  return files.map((file, index) => <FileDiff key={index} file={file} title={titles} />);
}

function FileDiff({ file, title }: { file: FileData; title: boolean }): ReactNode {
  const [all, setAll] = useState(false);
  const shown = all ? file.hunks : capped(file.hunks);
  const total = lines(file.hunks);
  const left = total - lines(shown);
  return (
    <section className="diff-file">
      {title && <h3 className="diff-path">{file.type === 'delete' ? file.oldPath : file.newPath}</h3>}
      {file.hunks.length === 0 && <p className="muted diff-empty">{file.isBinary === true ? 'Binary file' : 'No text changed'}</p>}
      <Diff viewType="unified" diffType={file.type} hunks={shown} gutterType="default">
        {(hunks) => hunks.flatMap((hunk) => hunkRows(hunk))}
      </Diff>
      {left > 0 && (
        <Button className="diff-more" onClick={() => setAll(true)}>
          Show {left.toLocaleString('en')} more lines
        </Button>
      )}
    </section>
  );
}

function hunkRows(hunk: HunkData): ReactElement[] {
  const key = `${hunk.oldStart}-${hunk.newStart}`;
  return [
    <Decoration key={`head-${key}`}>
      <span className="hunk-head">{hunk.content}</span>
    </Decoration>,
    <Hunk key={key} hunk={hunk} />,
  ];
}

function capped(hunks: readonly HunkData[]): HunkData[] {
  const shown: HunkData[] = [];
  let room = LINE_CAP;
  for (const hunk of hunks) {
    if (room <= 0) break;
    shown.push(hunk.changes.length <= room ? hunk : { ...hunk, changes: hunk.changes.slice(0, room) });
    room -= hunk.changes.length;
  }
  return shown;
}

function lines(hunks: readonly HunkData[]): number {
  return hunks.reduce((sum, hunk) => sum + hunk.changes.length, 0);
}

function parse(diff: string): FileData[] {
  try {
    return parseDiff(diff);
  } catch {
    return [];
  }
}
