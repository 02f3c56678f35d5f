import type { ReactNode } from 'react';
import { FileEdited_Via as Via } from '@gen/lucid/sessions/v1/event_pb';
import { patchHref } from '../api/get-session-patch';
import type { DiffCard } from '../stores/cards';
import type { TimelineStore } from '../stores/timeline-store';
import { FileDiff, FOLD_LINES } from './file-diff';
import { RewindButton } from './rewind-button';

const BY: Readonly<Partial<Record<Via, string>>> = {
  [Via.COMMAND]: 'by the command',
  [Via.REWIND]: 'by your rewind',
};

/** What a step did to one file, and the way back to it. */
export function DiffBlock({ card, store }: { card: DiffCard; store: TimelineStore }): ReactNode {
  const { edit } = card;
  const rewound = edit.via === Via.REWIND;
  return (
    <article className={rewound ? 'diff-card diff-card-quiet' : 'diff-card'} data-testid="diff-card" data-seq={card.seq}>
      <FileDiff
        edit={edit}
        unfolded={!rewound && edit.added + edit.removed <= FOLD_LINES}
        note={BY[edit.via]}
        action={edit.treeAfter !== '' && !rewound && <RewindButton store={store} seq={card.seq} />}
        wholeHref={patchHref(store.sessionId, card.seq)}
      />
    </article>
  );
}
