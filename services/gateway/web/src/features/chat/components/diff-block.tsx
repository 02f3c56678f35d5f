import { useState } from 'react';
import type { ReactNode } from 'react';
import { FileEdited_Kind as Kind, FileEdited_Via as Via } from '@gen/lucid/sessions/v1/event_pb';
import type { FileEdited } from '@gen/lucid/sessions/v1/event_pb';
import { DiffCounts, DiffView } from '@/components/ui/diff-view';
import { Icon } from '@/components/ui/icon';
import type { DiffCard } from '../stores/cards';

/** Changed lines above which a diff begins folded. */
const FOLD_LINES = 120;

const WORDS: Readonly<Partial<Record<Kind, string>>> = {
  [Kind.ADDED]: 'new',
  [Kind.DELETED]: 'deleted',
  [Kind.RENAMED]: 'renamed',
  [Kind.MODE]: 'mode changed',
};

/** One changed file: path, counts, unified diff. */
export function DiffBlock({ card }: { card: DiffCard }): ReactNode {
  const { edit } = card;
  const [open, setOpen] = useState(edit.added + edit.removed <= FOLD_LINES);
  const path = edit.oldPath !== '' && edit.oldPath !== edit.path ? `${edit.oldPath} → ${edit.path}` : edit.path;
  return (
    <article className="diff-card" data-testid="diff-card" data-seq={card.seq}>
      <button type="button" className="diff-head" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span className={open ? 'fold fold-open' : 'fold'}>
          <Icon name="chevron" size={12} />
        </span>
        <Icon name="file" size={14} />
        <span className="diff-card-path">{path}</span>
        {WORDS[edit.kind] !== undefined && <span className="badge">{WORDS[edit.kind]}</span>}
        {edit.via === Via.COMMAND && <span className="muted small">by the command</span>}
        <DiffCounts added={edit.added} removed={edit.removed} />
      </button>
      {open && <Body edit={edit} />}
    </article>
  );
}

function Body({ edit }: { edit: FileEdited }): ReactNode {
  if (edit.binary) return <p className="diff-note muted">Binary file</p>;
  if (edit.unifiedDiff === '') return <p className="diff-note muted">No text changed</p>;
  return (
    <>
      <DiffView diff={edit.unifiedDiff} />
      {edit.truncated && <p className="diff-note muted">The diff is longer than is kept here; the rest is left out.</p>}
    </>
  );
}
