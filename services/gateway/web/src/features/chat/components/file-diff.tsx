import { useState } from 'react';
import type { ReactNode } from 'react';
import { FileEdited_Kind as Kind } from '@gen/lucid/sessions/v1/event_pb';
import type { FileEdited } from '@gen/lucid/sessions/v1/event_pb';
import { DiffCounts, DiffView } from '@/components/ui/diff-view';
import { Icon } from '@/components/ui/icon';

/** Changed lines above which a diff begins folded. */
export const FOLD_LINES = 120;

const WORDS: Readonly<Partial<Record<Kind, string>>> = {
  [Kind.ADDED]: 'new',
  [Kind.DELETED]: 'deleted',
  [Kind.RENAMED]: 'renamed',
  [Kind.MODE]: 'mode changed',
};

interface FileDiffProps {
  readonly edit: FileEdited;
  readonly unfolded: boolean;
  /** Words about the change, beside the path. */
  readonly note?: string | undefined;
  /** Stands at the end of the head. */
  readonly action?: ReactNode;
  /** Where the whole of a diff that is cut can be saved from. */
  readonly wholeHref?: string;
}

/** One changed file: path, counts, unified diff. */
export function FileDiff({ edit, unfolded, note, action, wholeHref }: FileDiffProps): ReactNode {
  const [open, setOpen] = useState(unfolded);
  const path = edit.oldPath !== '' && edit.oldPath !== edit.path ? `${edit.oldPath} → ${edit.path}` : edit.path;
  return (
    <>
      <div className="diff-top">
        <button type="button" className="diff-head" aria-expanded={open} onClick={() => setOpen(!open)}>
          <span className={open ? 'fold fold-open' : 'fold'}>
            <Icon name="chevron" size={12} />
          </span>
          <Icon name="file" size={14} />
          <span className="diff-card-path">{path}</span>
          {WORDS[edit.kind] !== undefined && <span className="badge">{WORDS[edit.kind]}</span>}
          {note !== undefined && <span className="muted small diff-by">{note}</span>}
          {edit.added + edit.removed > 0 && <DiffCounts added={edit.added} removed={edit.removed} />}
        </button>
        {action}
      </div>
      {open && <Body edit={edit} wholeHref={wholeHref} />}
    </>
  );
}

function Body({ edit, wholeHref }: { edit: FileEdited; wholeHref: string | undefined }): ReactNode {
  if (edit.binary) return <p className="diff-note muted">Binary file</p>;
  if (edit.unifiedDiff === '' && !edit.truncated) return <p className="diff-note muted">No text changed</p>;
  return (
    <>
      {edit.unifiedDiff !== '' && <DiffView diff={edit.unifiedDiff} />}
      {edit.truncated && (
        <p className="diff-note muted">
          The diff is longer than is shown here.{' '}
          {wholeHref !== undefined && (
            <a href={wholeHref} download>
              Save all of it
            </a>
          )}
        </p>
      )}
    </>
  );
}
