import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { ReactNode } from 'react';
import type { DiffSnapshot } from '@gen/lucid/sessions/v1/event_pb';
import { Button } from '@/components/ui/button';
import { Dialog } from '@/components/ui/dialog';
import { DiffCounts } from '@/components/ui/diff-view';
import { Icon } from '@/components/ui/icon';
import { Notice, Spinner } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { sessionDiffQuery } from '../api/get-session-diff';
import { patchHref } from '../api/get-session-patch';
import { firstSeq } from '../stores/timeline-model';
import type { TimelineStore } from '../stores/timeline-store';
import { FileDiff } from './file-diff';

/** Files that begin unfolded: as many as one looks at at once. */
const UNFOLDED = 4;
const UNFOLDED_LINES = 80;

/** What the session has changed so far, by the log; all of it on demand. */
export function ChangesFact({ store }: { store: TimelineStore }): ReactNode {
  const [open, setOpen] = useState(false);
  const { soFar } = store.timeline.header;
  // Only the end of a long log is loaded: what it does not say is asked for.
  const unknown = soFar === undefined && firstSeq(store.timeline) > 1;
  if (!unknown && (soFar === undefined || soFar.totalFiles === 0)) return null;
  return (
    <>
      <Button look="quiet" className="changes-button" title="Changes so far" aria-label={label(soFar)} data-testid="changes" onClick={() => setOpen(true)}>
        {soFar === undefined ? (
          <span>Changes</span>
        ) : (
          <>
            <DiffCounts added={soFar.added} removed={soFar.removed} />
            <span className="changes-files">{files(soFar.totalFiles)}</span>
          </>
        )}
      </Button>
      {open && <ChangesDialog sessionId={store.sessionId} soFar={soFar} onClose={() => setOpen(false)} />}
    </>
  );
}

function files(count: number): string {
  return count === 1 ? '1 file' : `${count.toLocaleString('en')} files`;
}

function label(soFar: DiffSnapshot | undefined): string {
  return soFar === undefined ? 'Changes so far' : `Changes so far: ${files(soFar.totalFiles)}, ${soFar.added} lines added, ${soFar.removed} removed`;
}

interface ChangesDialogProps {
  readonly sessionId: string;
  readonly soFar: DiffSnapshot | undefined;
  readonly onClose: () => void;
}

function ChangesDialog({ sessionId, soFar, onClose }: ChangesDialogProps): ReactNode {
  const diff = useInfiniteQuery(sessionDiffQuery(sessionId, soFar?.tree ?? ''));
  const first = diff.data?.pages[0];
  const found = diff.data?.pages.flatMap((page) => page.files) ?? [];
  const total = first?.totalFiles ?? soFar?.totalFiles ?? 0;
  return (
    <Dialog
      wide
      label="Changes so far"
      onClose={onClose}
      title={
        <div className="changes-head">
          <span>Changes so far</span>
          <span className="muted small">{files(total)}</span>
          <DiffCounts added={first?.added ?? soFar?.added ?? 0} removed={first?.removed ?? soFar?.removed ?? 0} />
        </div>
      }
    >
      <div className="changes" data-testid="changes-view">
        <div className="changes-bar">
          <span className="muted small">{first !== undefined && first.baseCommit !== '' && <>compared with {<code>{first.baseCommit.slice(0, 7)}</code>}, where the session began</>}</span>
          <a className="button" href={patchHref(sessionId)} download data-testid="download-patch">
            <Icon name="save" size={14} /> Patch
          </a>
        </div>
        {diff.isPending && <Spinner label="Comparing the files" />}
        <Notice text={diff.isError ? errorText(diff.error) : ''} />
        {diff.isSuccess && found.length === 0 && <p className="muted">Nothing is different from how the session began.</p>}
        {found.map((edit, index) => (
          <article className="diff-card" key={edit.path} data-testid="changed-file">
            <FileDiff edit={edit} unfolded={index < UNFOLDED && edit.added + edit.removed <= UNFOLDED_LINES} wholeHref={patchHref(sessionId)} />
          </article>
        ))}
        {diff.hasNextPage && (
          <Button busy={diff.isFetchingNextPage} onClick={() => void diff.fetchNextPage()}>
            Show more of the {total.toLocaleString('en')} files
          </Button>
        )}
      </div>
    </Dialog>
  );
}
